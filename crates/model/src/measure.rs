//! Sizes and durations as people write them.

use std::time::Duration;

/// A size or duration that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}; write for example {example}")]
pub struct MeasureError {
    /// The text given.
    pub text: String,
    /// What was expected.
    pub what: &'static str,
    /// A text that would do.
    pub example: &'static str,
}

fn split(text: &str) -> Option<(f64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    Some((number, text[end..].trim().to_ascii_lowercase()))
}

/// Reads a size in bytes: `500`, `10MB` (10·10⁶), `10MiB` (10·2²⁰), `1.5G`.
///
/// # Errors
/// [`MeasureError`] if the text is no size.
pub fn parse_size(text: &str) -> Result<u64, MeasureError> {
    let error = || MeasureError { text: text.to_owned(), what: "a size", example: "500MB or 10GiB" };
    let (number, unit) = split(text).ok_or_else(error)?;
    let factor: f64 = match unit.as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return Err(error()),
    };
    let bytes = number * factor;
    if bytes.is_finite() && bytes < 9.0e18 { Ok(bytes as u64) } else { Err(error()) }
}

/// Reads a duration: `90s`, `5m`, `4h`, `30d`, `2w`, `1y` (365 days). A bare number is refused.
///
/// # Errors
/// [`MeasureError`] if the text is no duration.
pub fn parse_duration(text: &str) -> Result<Duration, MeasureError> {
    let error = || MeasureError { text: text.to_owned(), what: "a duration", example: "15m, 4h or 30d" };
    let (number, unit) = split(text).ok_or_else(error)?;
    let seconds: f64 = match unit.as_str() {
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        "y" => 31_536_000.0,
        _ => return Err(error()),
    };
    let total = number * seconds;
    if total.is_finite() && total < 1.0e10 { Ok(Duration::from_secs_f64(total)) } else { Err(error()) }
}

/// A size for people, in steps of 1024 with one decimal: `12.0 KB`.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KB", "MB", "GB", "TB", "PB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A rate as the file writes it, to the byte: `5MB/s`.
#[must_use]
pub fn format_rate(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    let whole = units.into_iter().find(|(size, _)| bytes >= *size && bytes.is_multiple_of(*size));
    let (size, unit) = whole.unwrap_or((1, "B"));
    format!("{}{unit}/s", bytes / size)
}

/// A duration for people: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`, `3 d 4 h`.
#[must_use]
pub fn format_duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("10MB"), Ok(10_000_000));
        assert_eq!(parse_size("1.5 GiB"), Ok(1_610_612_736));
        assert_eq!(parse_size("0"), Ok(0));
        assert!(parse_size("MB").is_err() && parse_size("10XB").is_err() && parse_size("-1").is_err());
        assert_eq!(format_size(12 * 1024), "12.0 KB");
        assert_eq!(format_size(1023), "1023 B");
    }

    #[test]
    fn rates_come_back_to_the_byte() {
        for (bytes, text) in [(5_000_000, "5MB/s"), (1500, "1500B/s"), (20_000, "20kB/s"), (3_000_000_000, "3GB/s")] {
            assert_eq!(format_rate(bytes), text);
            assert_eq!(parse_size(text.trim_end_matches("/s")), Ok(bytes));
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse_duration("2w"), Ok(Duration::from_secs(1_209_600)));
        assert!(parse_duration("15").is_err() && parse_duration("m").is_err());
        assert_eq!(format_duration(185.0), "3 min 05 s");
    }
}
