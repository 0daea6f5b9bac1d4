//! The open pixel: one invisible image before the end of the body.

use super::Linker;
use super::html::Quote;
use super::value::Value;

/// The image, as it stands in a page.
pub(super) fn image(linker: &Linker<'_>) -> String {
    let mut src = Value::default();
    src.push_text(&linker.pixel_url());
    src.push_text("?reaid=");
    src.push_field(&linker.pixel.merge_field);
    format!(
        r#"<img src="{}" width="1" height="1" alt="" border="0" style="display:block;width:1px;height:1px;border:0">"#,
        src.escaped(Quote::Double)
    )
}
