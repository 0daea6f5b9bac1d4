//! The open pixel: one invisible image before the end of the body.

use super::Linker;
use super::html::Quote;
use super::value::Value;

/// The image, as it stands in a page.
pub(super) fn image(linker: &Linker<'_>) -> String {
    let mut src = Value::default();
    src.push_text(&linker.pixel_url());
    src.push_text("?");
    linker.pixel.push_query(&mut src);
    format!(
        r#"<img src="{}" width="1" height="1" alt="" border="0" style="display:block;width:1px;height:1px;border:0">"#,
        src.escaped(Quote::Double)
    )
}

/// Whether an image with this source, as it stands in the page, has to be looked at: most can be told at a glance.
pub(super) fn may_be_own(src: &[u8], linker: &Linker<'_>) -> bool {
    let is_plain = !src.iter().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r'));
    let start = src.iter().position(|byte| *byte > b' ').unwrap_or(src.len());
    !is_plain || src[start..].starts_with(linker.maker.base_url.as_bytes())
}
