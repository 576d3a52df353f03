use std::path::Path;

use clap::Args;

/// Images of products.
#[derive(Debug, Clone, Args)]
pub struct Images {
    /// Where the files of images are: a folder, or a bucket (s3://BUCKET/FOLDER, gs://…, az://…), whose
    /// keys come from the variables of its provider (AWS_ACCESS_KEY_ID …); by default the folder
    /// images beside the database
    #[arg(long, env = "SOUK_IMAGE_STORE", value_name = "PLACE")]
    pub image_store: Option<String>,
    /// Bytes of an image, at most
    #[arg(long, env = "SOUK_MAX_IMAGE_BYTES", default_value_t = 20 << 20, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1..=i32::MAX as u64))]
    pub max_image_bytes: u64,
}

impl Images {
    /// Those of a catalog whose other data are in this folder.
    pub fn of_catalog(&self, data_dir: &Path) -> souk_catalog::Images {
        let beside = || data_dir.join("images").to_string_lossy().into_owned();
        let store = self.image_store.clone().unwrap_or_else(beside);
        souk_catalog::Images { store, max_bytes: self.max_image_bytes }
    }
}
