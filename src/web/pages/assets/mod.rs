//! What pages load beside themselves: a stylesheet, a script, an icon. They are part of the program; their paths
//! hold a hash of what they are, so that browsers may keep them.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::routing::get;

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = concat!(include_str!("page.css"), include_str!("forms.css"));
    Asset::new("css", "text/css; charset=utf-8", text)
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "js",
        "text/javascript; charset=utf-8",
        concat!(include_str!("page.js"), include_str!("tail.js")),
    )
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("svg", "image/svg+xml", include_str!("icon.svg")));

/// A file of the program.
struct Asset {
    path: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(extension: &str, kind: &'static str, text: &'static str) -> Self {
        let hash = crc32c::crc32c(text.as_bytes());
        Self {
            path: format!("/assets/{hash:08x}.{extension}"),
            kind,
            text,
        }
    }
}

/// The path of the stylesheet.
pub(super) fn style() -> &'static str {
    &STYLE.path
}

/// The path of the script.
pub(super) fn script() -> &'static str {
    &SCRIPT.path
}

/// The path of the icon.
pub(super) fn icon() -> &'static str {
    &ICON.path
}

/// Serves them, to whoever asks: there is nothing of a cluster in them.
pub(super) fn routes() -> Router {
    let all: [&'static Asset; 3] = [&STYLE, &SCRIPT, &ICON];
    all.into_iter().fold(Router::new(), |router, asset| {
        let answer = move || async move {
            let kept = "public, max-age=31536000, immutable";
            let headers = [
                (header::CONTENT_TYPE, asset.kind),
                (header::CACHE_CONTROL, kept),
            ];
            (headers, asset.text)
        };
        router.route(&asset.path, get(answer))
    })
}
