//! Dates of the Gregorian calendar in UTC, and durations as Go writes them.

pub(super) const SECOND: i128 = 1_000_000_000;
const DAY_SECONDS: i128 = 86_400;
/// Seconds from the year 1, from which times are truncated, to 1970.
const SECONDS_TO_1970: i128 = 62_135_596_800;

/// A moment by the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: i64,
    /// 1 to 31.
    pub(super) day: i64,
    /// 0 for Sunday.
    pub(super) weekday: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanosecond: i64,
}

/// The date of a moment, in nanoseconds since 1970. The algorithm is Howard Hinnant's
/// `civil_from_days`.
pub(super) fn civil(nanos: i128) -> Civil {
    let seconds = nanos.div_euclid(SECOND);
    let days = seconds.div_euclid(DAY_SECONDS);
    let in_day = seconds.rem_euclid(DAY_SECONDS) as i64;
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    Civil {
        year: (year_of_era + era * 400 + i128::from(month <= 2)) as i64,
        month: month as i64,
        day: (day_of_year - (153 * month_index + 2) / 5 + 1) as i64,
        weekday: (days + 4).rem_euclid(7) as i64,
        hour: in_day / 3_600,
        minute: in_day / 60 % 60,
        second: in_day % 60,
        nanosecond: nanos.rem_euclid(SECOND) as i64,
    }
}

/// As RFC 3339 writes it, with as many digits after the point as are needed.
pub(in super::super) fn rfc3339(nanos: i128) -> String {
    let Civil { year, month, day, hour, minute, second, nanosecond, .. } = civil(nanos);
    let fraction = match nanosecond {
        0 => String::new(),
        _ => format!(".{nanosecond:09}").trim_end_matches('0').to_owned(),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// The moment rounded down to a multiple of a duration since the year 1.
pub(super) fn truncate(nanos: i128, step: i64) -> i128 {
    if step <= 0 {
        return nanos;
    }
    nanos.saturating_sub(nanos.saturating_add(SECONDS_TO_1970 * SECOND).rem_euclid(step.into()))
}

/// Nanoseconds of `1h30m`, `-1.5s`, `100ms`, `0`.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (is_negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_length = rest.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.')?;
        let (number, behind) = rest.split_at(number_length);
        let unit_length = behind.bytes().position(|byte| byte.is_ascii_digit() || byte == b'.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_length);
        total = total.checked_add(scaled(number, unit_nanos(unit)?)?)?;
        if total > i128::from(i64::MAX) + i128::from(is_negative) {
            return None;
        }
        rest = behind;
    }
    i64::try_from(if is_negative { -total } else { total }).ok()
}

fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        _ => return None,
    })
}

/// A number with a fraction, times a unit; what is below a nanosecond is cut off.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { i128::from(whole.parse::<i64>().ok()?) };
    // Eighteen digits are below a nanosecond for every unit.
    let digits = &fraction[..fraction.len().min(18)];
    let part: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    whole.checked_mul(unit)?.checked_add(part * unit / 10_i128.pow(digits.len() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let date = |seconds: i128| {
            let Civil { year, month, day, weekday, .. } = civil(seconds * SECOND);
            (year, month, day, weekday)
        };
        assert_eq!(date(0), (1970, 1, 1, 4));
        assert_eq!(date(-1), (1969, 12, 31, 3));
        assert_eq!(date(951_782_400), (2000, 2, 29, 2));
        assert_eq!(date(1_709_164_800), (2024, 2, 29, 4));
        assert_eq!(date(253_402_300_800), (10_000, 1, 1, 6));
        assert_eq!(date(-SECONDS_TO_1970), (1, 1, 1, 1));
        assert_eq!(rfc3339(1_700_000_000_120_000_000), "2023-11-14T22:13:20.12Z");
    }

    #[test]
    fn durations_are_read_as_in_go() {
        for (text, nanos) in [
            ("1h30m", Some(5_400_000_000_000)),
            ("-1.5s", Some(-1_500_000_000)),
            ("+2us3ns", Some(2_003)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("0", Some(0)),
            ("2562047h47m16.854775807s", Some(i64::MAX)),
            ("-2562047h47m16.854775808s", Some(i64::MIN)),
            ("2562047h47m16.854775808s", None),
            ("9999999999999999999h", None),
            ("1", None),
            ("", None),
            ("-", None),
            ("s", None),
            (".s", None),
            ("1.2.3s", None),
            ("1d", None),
            ("1h ", None),
        ] {
            assert_eq!(parse_duration(text), nanos, "{text:?}");
        }
    }
}
