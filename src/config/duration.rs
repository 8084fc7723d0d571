//! Durations in Go's syntax: `300ms`, `1h30m`, `1.5s`.

use std::time::Duration;

/// Text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A number stands without its unit.
    #[error("{0:?} has no unit; write a duration such as 10s (units: ns, us, ms, s, m, h)")]
    NoUnit(String),
    /// A unit that is not one.
    #[error("{text:?} has the unknown unit {unit:?}; write a duration such as 10s (units: ns, us, ms, s, m, h)")]
    Unit {
        /// The whole text.
        text: String,
        /// The unknown unit.
        unit: String,
    },
    /// No number where one belongs.
    #[error("{0:?} is not a duration; write one such as 300ms, 10s or 1h30m")]
    Syntax(String),
    /// A duration below zero.
    #[error("{0:?} is negative; a duration here is zero or more")]
    Negative(String),
    /// More than 292 years.
    #[error("{0:?} is too long; the longest duration is about 292 years")]
    TooLong(String),
}

const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Reads a duration in Go's syntax.
///
/// # Errors
/// When the text is not one, or is negative.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let syntax = || DurationError::Syntax(text.to_owned());
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(syntax());
    }
    let mut nanos = 0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let number = &rest[..digits];
        if number.is_empty() || number == "." {
            return Err(syntax());
        }
        let number: f64 = number.parse().map_err(|_| syntax())?;
        rest = &rest[digits..];
        let letters = rest.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(rest.len());
        let unit = &rest[..letters];
        if unit.is_empty() {
            return Err(DurationError::NoUnit(text.to_owned()));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::Unit { text: text.to_owned(), unit: unit.to_owned() });
        };
        nanos += number * scale;
        rest = &rest[letters..];
    }
    if negative && nanos > 0.0 {
        return Err(DurationError::Negative(text.to_owned()));
    }
    if nanos >= i64::MAX as f64 {
        return Err(DurationError::TooLong(text.to_owned()));
    }
    Ok(Duration::from_nanos(nanos.round() as u64))
}

/// Writes a duration the way people write it in a config: `1h30m`, `300ms`.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    for (unit, scale) in [("ns", 1_u128), ("us", 1_000), ("ms", 1_000_000)] {
        if nanos < scale * 1_000 || !nanos.is_multiple_of(scale * 1_000) {
            return format!("{}{unit}", nanos as f64 / scale as f64);
        }
    }
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        for (text, nanos) in
            [("0", 0), ("300ms", 300_000_000), ("1h30m", 5_400_000_000_000), ("1.5s", 1_500_000_000), ("2us", 2_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        assert_eq!(parse_duration("10"), Err(DurationError::NoUnit("10".into())));
        assert!(parse_duration("5 parsecs").unwrap_err().to_string().contains("parsecs"));
        assert_eq!(parse_duration("-1s"), Err(DurationError::Negative("-1s".into())));
        assert_eq!(parse_duration("soon"), Err(DurationError::Syntax("soon".into())));
    }

    #[test]
    fn a_written_duration_reads_back() {
        for nanos in [0, 1, 1_500, 300_000_000, 5_400_000_000_000, 90_000_000_000] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
