use crate::descriptors;
use crate::souk::types::v1::Reason;

/// The `domain` of every `google.rpc.ErrorInfo` of Souk.
pub const ERROR_DOMAIN: &str = "souk";

/// For each reason a request that fails with it, and the answer, as they were on the wire: sections that
/// start with `### ` and the code. The tests of the whole suite write it.
pub const REASON_EXAMPLES: &str = include_str!("souk/types/v1/reason_examples.http");

impl Reason {
    /// The name that goes over the wire: without the prefix of the enum.
    pub fn code(self) -> &'static str {
        self.as_str_name().trim_start_matches("REASON_")
    }

    /// The reason of that wire name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::from_str_name(&format!("REASON_{code}"))
    }

    /// The HTTP status that the contract gives the reason; 500 when it gives none.
    pub fn http_status(self) -> u16 {
        let pool = descriptors();
        let status = || {
            let extension = pool.get_extension_by_name("souk.types.v1.http_status")?;
            let value = pool.get_enum_by_name("souk.types.v1.Reason")?.get_value(self as i32)?;
            let options = value.options();
            options
                .has_extension(&extension)
                .then(|| options.get_extension(&extension).as_i32())
                .flatten()
        };
        status().and_then(|status| u16::try_from(status).ok()).unwrap_or(500)
    }
}
