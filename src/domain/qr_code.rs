//! QR codes as pictures that a page shows with nothing but an `img`.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use qrcodegen::{QrCode, QrCodeEcc};

/// The quiet zone that readers want around the code.
const BORDER: i32 = 4;

/// A `data:image/svg+xml` URL; `None` for a text that is too long (some 2,900 bytes).
#[must_use]
pub fn as_data_url(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        for x in (0..size).filter(|x| code.get_module(*x, y)) {
            // Writing to a String cannot fail.
            let _ = write!(path, "M{},{}h1v1h-1z", x + BORDER, y + BORDER);
        }
    }
    let all = size + 2 * BORDER;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {all} {all}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0,0h{all}v{all}H0z\"/><path d=\"{path}\"/></svg>"
    );
    Some(format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_or_nothing() {
        let url = as_data_url("otpauth://totp/a?secret=b").unwrap();
        let svg = String::from_utf8(STANDARD.decode(url.strip_prefix("data:image/svg+xml;base64,").unwrap()).unwrap()).unwrap();
        // Version 2 has 25 modules a side.
        assert!(svg.contains("viewBox=\"0 0 33 33\"") && svg.ends_with("</svg>"), "{svg}");
        assert_eq!(as_data_url(&"x".repeat(3_000)), None);
    }
}
