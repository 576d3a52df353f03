//! The document to read, by ReDoc.

use crate::docs::OPENAPI;
use crate::docs::assets::Assets;
use crate::docs::page::Frame;
use crate::docs::resource::Resource;

/// ReDoc makes its styles at run time, in elements that start empty. So of inline styles the empty one is
/// allowed, by its hash, and the one of its scroll bars. It searches in a worker that is made of text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' \
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' \
    'sha256-DLDPR1ic47WIdK2WyeLkblb/tm2mQH+Jt/NNhZWu1k0='; \
    img-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// No fonts are loaded, so those of the system are named.
const THEME: &str = "{\"typography\":{\"fontFamily\":\"system-ui, sans-serif\",\
    \"headings\":{\"fontFamily\":\"system-ui, sans-serif\"},\
    \"code\":{\"fontFamily\":\"ui-monospace, monospace\"}}}";

/// `/redoc`.
pub(super) fn page(frame: &Frame, assets: &Assets) -> Resource {
    let body = format!(
        "<main id=\"main\" class=\"redoc\"><redoc spec-url=\"{OPENAPI}\" theme='{THEME}'></redoc></main>\
         <script src=\"{}\"></script>",
        assets.redoc.url()
    );
    Resource::html(frame.around("/redoc", "Reference", "", &body), POLICY)
}
