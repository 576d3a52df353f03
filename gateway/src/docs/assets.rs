//! What the pages load. Each file is at an address that changes with it, so that it may be kept for
//! ever.

use crate::docs::resource::Resource;

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file that pages load.
#[derive(Debug)]
pub(super) struct Asset {
    name: &'static str,
    pub resource: Resource,
}

/// All of them. Those of others are packed by the build script.
#[derive(Debug)]
pub(super) struct Assets {
    pub style: Asset,
    pub icon: Asset,
    pub swagger_ui: Asset,
    pub swagger_ui_style: Asset,
    pub swagger_ui_start: Asset,
    pub redoc: Asset,
}

impl Assets {
    pub(super) fn load() -> Self {
        let swagger_ui = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
        let swagger_ui_style = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));
        let redoc = include_bytes!(concat!(env!("OUT_DIR"), "/redoc.js.gz"));
        Self {
            style: text("style.css", STYLE, include_str!("assets/style.css")),
            icon: text("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
            swagger_ui: packed("swagger-ui.js", SCRIPT, swagger_ui),
            swagger_ui_style: packed("swagger-ui.css", STYLE, swagger_ui_style),
            swagger_ui_start: text("start.js", SCRIPT, include_str!("assets/start.js")),
            redoc: packed("redoc.js", SCRIPT, redoc),
        }
    }

    pub(super) fn into_all(self) -> [Asset; 6] {
        let Self { style, icon, swagger_ui, swagger_ui_style, swagger_ui_start, redoc } = self;
        [style, icon, swagger_ui, swagger_ui_style, swagger_ui_start, redoc]
    }
}

impl Asset {
    /// Where it is.
    pub(super) fn path(&self) -> String {
        format!("/docs/assets/{}", self.name)
    }

    /// Where it is with this content and no other.
    pub(super) fn url(&self) -> String {
        format!("{}?{}", self.path(), self.resource.hash())
    }
}

fn text(name: &'static str, media: &'static str, text: &'static str) -> Asset {
    Asset { name, resource: Resource::asset(media, text) }
}

fn packed(name: &'static str, media: &'static str, gzip: &'static [u8]) -> Asset {
    Asset { name, resource: Resource::gzip_asset(media, gzip) }
}
