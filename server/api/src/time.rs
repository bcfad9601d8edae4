//! Times as clients write and read them.

const DAY_MS: i64 = 86_400_000;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads `2026-11-22T17:41:58.123456+02:00`, with or without fraction, colon and offset, into milliseconds since the
/// Unix epoch. Without an offset the time is UTC, as the Python clients mean it.
pub(crate) fn parse_date_time(text: &str) -> Option<i64> {
    // A '+' that a client forgot to escape arrives as a space.
    let text = text.trim_end().replace(' ', "+");
    let (date, time) = text.split_once(['T', 't'])?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (number(date.next()?, 4)?, number(date.next()?, 2)?, number(date.next()?, 2)?);
    let (clock, offset_minutes) = split_offset(time)?;
    let mut clock = clock.splitn(3, ':');
    let (hour, minute) = (number(clock.next()?, 2)?, number(clock.next()?, 2)?);
    let (second, milliseconds) = seconds(clock.next()?)?;
    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !in_range {
        return None;
    }
    let minutes = hour * 60 + minute - offset_minutes;
    Some(days_from_civil(year, month, day) * DAY_MS + minutes * 60_000 + second * 1000 + milliseconds)
}

/// Milliseconds since the Unix epoch as a `Last-Modified` header has it: `Sun, 22 Nov 2026 17:41:58 GMT`.
pub(crate) fn http_date(milliseconds: i64) -> String {
    let days = milliseconds.div_euclid(DAY_MS);
    let second = milliseconds.rem_euclid(DAY_MS) / 1000;
    let (year, month, day) = civil_from_days(days);
    let weekday = WEEKDAYS.get(days.rem_euclid(7) as usize).copied().unwrap_or_default();
    let month = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Milliseconds since the Unix epoch as JSON has a time: `2026-11-22T17:41:58Z`.
pub(crate) fn date_time(milliseconds: i64) -> String {
    let text = utc(milliseconds.div_euclid(1000));
    text.replacen(' ', "T", 1).replacen(" UTC", "Z", 1)
}

/// A time in seconds since the Unix epoch, for people: `2026-11-22 17:41:58 UTC`.
pub fn utc(seconds: i64) -> String {
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY_MS / 1000));
    let second = seconds.rem_euclid(DAY_MS / 1000);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn seconds(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let plain = !fraction.is_empty() && fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    if !plain {
        return None;
    }
    let milliseconds: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some((number(whole, 2)?, milliseconds.parse().ok()?))
}

fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else {
        return Some((time, 0));
    };
    let (clock, offset) = time.split_at_checked(at)?;
    let digits = offset.get(1..)?.replace(':', "");
    let (hours, minutes) = (number(digits.get(..2)?, 2)?, number(digits.get(2..)?, 2)?);
    let total = hours * 60 + minutes;
    Some((clock, if offset.starts_with('-') { -total } else { total }))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the Unix epoch of a date of the Gregorian calendar. Years begin in March, so that the leap day is last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Undoes [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_clients_send_is_read() {
        let expected = Some(1_795_369_318_123);
        for text in [
            "2026-11-22T17:41:58.123Z",
            "2026-11-22T17:41:58.123456+0000",
            "2026-11-22T17:41:58.123",
            "2026-11-22T19:41:58.123+02:00",
            "2026-11-22T19:41:58.123 02:00",
            "2026-11-22T12:11:58.123-05:30",
        ] {
            assert_eq!(parse_date_time(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "T",
            "yesterday",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T00:00:00.Z",
            "2026-11-22T00:00Z",
            "2026-11-22T00:00:00+é1",
            "-026-11-22T00:00:00Z",
        ] {
            assert_eq!(parse_date_time(text), None, "{text}");
        }
    }

    #[test]
    fn headers_show_the_date_and_the_way_back_is_the_same() {
        assert_eq!(http_date(1_795_369_318_123), "Sun, 22 Nov 2026 17:41:58 GMT");
        assert_eq!(utc(1_795_369_318), "2026-11-22 17:41:58 UTC");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
        for days in (-200_000..200_000).step_by(37) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }
}
