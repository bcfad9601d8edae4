//! The one form of date that signatures use: `20130524T000000Z`.

/// A date as a request wrote it, and the moment that it stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AmzDate {
    /// As written.
    pub(super) text: String,
    /// Milliseconds since the Unix epoch.
    pub(super) ms: i64,
}

impl AmzDate {
    /// Reads exactly `YYYYMMDDTHHMMSSZ`; `None` for anything else, impossible days included.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
        let [y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = *bytes else {
            return None;
        };
        let year = number(&[y1, y2, y3, y4])?;
        let (month, day) = (number(&[m1, m2])?, number(&[d1, d2])?);
        let (hour, minute, second) = (number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?);
        let valid = year >= 1970
            && (1..=12).contains(&month)
            && (1..=days_of_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !valid {
            return None;
        }
        let seconds = ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
        Some(AmzDate { text: text.to_owned(), ms: seconds * 1000 })
    }

    /// The date of a moment, to the second.
    #[cfg(any(test, feature = "test-support"))]
    pub(super) fn of_ms(ms: i64) -> Self {
        let seconds = ms.div_euclid(1000);
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let mut year = 1970;
        let mut left = days;
        while left >= days_of_year(year) {
            left -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while left >= days_of_month(year, month) {
            left -= days_of_month(year, month);
            month += 1;
        }
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        let text = format!("{year:04}{month:02}{:02}T{hour:02}{minute:02}{second:02}Z", left + 1);
        AmzDate { text, ms: seconds * 1000 }
    }

    /// Its day: the first eight digits.
    pub(super) fn day(&self) -> &str {
        self.text.get(..8).unwrap_or_default()
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

#[cfg(any(test, feature = "test-support"))]
fn days_of_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let months: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
    (year - 1970) * 365 + leap_days + months + day - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_read_exactly() {
        assert_eq!(AmzDate::parse("19700101T000000Z").map(|date| date.ms), Some(0));
        assert_eq!(AmzDate::parse("20130524T000000Z").map(|date| date.ms), Some(1_369_353_600_000));
        assert_eq!(AmzDate::parse("20240229T235959Z").map(|date| date.ms), Some(1_709_251_199_000));
        for bad in [
            "",
            "20130524",
            "20130524T000000",
            "20130524t000000z",
            "20130230T000000Z",
            "20131301T000000Z",
            "20130524T240000Z",
            "2013052éT00000Z",
            "+0130524T000000Z",
            "19690101T000000Z",
            "20130524T000000Z ",
        ] {
            assert_eq!(AmzDate::parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn writing_and_reading_agree(seconds in 0i64..250_000_000_000) {
            let date = AmzDate::of_ms(seconds * 1000);
            prop_assert_eq!(AmzDate::parse(&date.text), Some(date));
        }
    }
}
