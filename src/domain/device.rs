//! Devices as their user agents tell: for people to recognize their sessions by, never to decide anything.

use entity::user_sessions::DeviceType;
use woothee::parser::{Parser, WootheeResult};

/// Longer user agents are cut.
const LONGEST: usize = 512;
const UNKNOWN: &str = "UNKNOWN";

/// What a user agent tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its kind; `Api` for everything that is no browser.
    pub kind: DeviceType,
    /// For people: `Firefox on Windows`.
    pub name: String,
    /// `Firefox`.
    pub browser: Option<String>,
    /// `Windows`.
    pub os: Option<String>,
}

impl Device {
    /// Reads the header `User-Agent`; `None` where there is none.
    #[must_use]
    pub fn from_user_agent(user_agent: Option<&str>) -> Self {
        let agent: String = user_agent.unwrap_or_default().chars().filter(|character| !character.is_control()).take(LONGEST).collect();
        match Parser::new().parse(&agent) {
            Some(parsed) => Self::from_parsed(&parsed, &agent),
            None => Self::program(&agent),
        }
    }

    fn from_parsed(parsed: &WootheeResult<'_>, agent: &str) -> Self {
        let kind = match parsed.category {
            "pc" | "appliance" => DeviceType::Desktop,
            "smartphone" if is_tablet(parsed.os, agent) => DeviceType::Tablet,
            "smartphone" | "mobilephone" => DeviceType::Mobile,
            _ => return Self::program(agent),
        };
        let browser = known(parsed.name).map(|name| browser_name(name, agent).to_owned());
        let os = known(parsed.os).map(|name| os_name(name).to_owned());
        let name = match (&browser, &os) {
            (Some(browser), Some(os)) => format!("{browser} on {os}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => return Self::program(agent),
        };
        Self { kind, name, browser, os }
    }

    /// No browser: named by its first product, `curl/8.5.0` → `curl`.
    fn program(agent: &str) -> Self {
        let product: String = agent
            .split(|character: char| character == '/' || character.is_whitespace())
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.'))
            .take(40)
            .collect();
        let name = if product.is_empty() { "Unknown device".to_owned() } else { product };
        Self { kind: DeviceType::Api, name, browser: None, os: None }
    }
}

/// Tablets say `iPad`, or `Android` without `Mobile`.
fn is_tablet(os: &str, agent: &str) -> bool {
    os == "iPad" || (os == "Android" && !agent.contains("Mobile"))
}

fn known(name: &str) -> Option<&str> {
    (!name.is_empty() && name != UNKNOWN).then_some(name)
}

fn browser_name<'a>(name: &'a str, agent: &str) -> &'a str {
    match name {
        "Internet Explorer" if agent.contains("Edge/") => "Edge",
        "SamsungBrowser" => "Samsung Internet",
        _ => name,
    }
}

fn os_name(os: &str) -> &str {
    match os {
        "Mac OSX" => "macOS",
        "iPhone" | "iPad" | "iPod" => "iOS",
        "ChromeOS" => "Chrome OS",
        windows if windows.starts_with("Windows Phone") => "Windows Phone",
        windows if windows.starts_with("Windows") => "Windows",
        _ => os,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn browsers_are_named_for_people() {
        for (agent, kind, name) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", DeviceType::Desktop, "Firefox on Windows"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
                DeviceType::Desktop,
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                DeviceType::Desktop,
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
                DeviceType::Desktop,
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                DeviceType::Mobile,
                "Safari on iOS",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.0 Mobile/15E148 Safari/604.1",
                DeviceType::Tablet,
                "Safari on iOS",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
                DeviceType::Mobile,
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-X900) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
                DeviceType::Tablet,
                "Chrome on Android",
            ),
        ] {
            let device = Device::from_user_agent(Some(agent));
            assert_eq!((device.kind, device.name.as_str()), (kind, name), "{agent}");
            assert!(device.browser.is_some() && device.os.is_some());
        }
    }

    #[test]
    fn everything_else_is_a_program() {
        for (agent, name) in [
            (Some("curl/8.5.0"), "curl"),
            (Some("okhttp/4.12.0"), "okhttp"),
            (Some("Dart/3.5 (dart:io)"), "Dart"),
            (Some("<script>alert(1)</script>"), "scriptalert1"),
            (Some("\r\n"), "Unknown device"),
            (Some(""), "Unknown device"),
            (None, "Unknown device"),
        ] {
            let device = Device::from_user_agent(agent);
            assert_eq!((device.kind, device.name.as_str(), device.browser, device.os), (DeviceType::Api, name, None, None), "{agent:?}");
        }
    }

    proptest! {
        #[test]
        fn no_user_agent_makes_trouble(agent: String) {
            let device = Device::from_user_agent(Some(&agent));
            prop_assert!(!device.name.is_empty() && device.name.chars().count() <= 100);
            prop_assert!(!device.name.contains(['<', '>', '\r', '\n']));
        }
    }
}
