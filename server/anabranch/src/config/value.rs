//! What the text of a setting means.

use std::time::Duration;

use super::keys::Kind;

/// Why a text is no value of its kind: what is expected instead.
pub(super) type Mismatch = String;

/// Checks a text against its kind.
pub(super) fn check(kind: Kind, text: &str) -> Result<(), Mismatch> {
    match kind {
        Kind::Text | Kind::Secret | Kind::Path | Kind::List => Ok(()),
        Kind::Count => count(text).map(drop),
        Kind::Fraction => fraction(text).map(drop),
        Kind::Bytes => bytes(text).map(drop),
        Kind::Duration => duration(text).map(drop),
        Kind::Address => match text.parse::<std::net::SocketAddr>() {
            Ok(_) => Ok(()),
            Err(_) => Err("an address and a port, like 127.0.0.1:8000".to_owned()),
        },
        Kind::Choice(words) if words.contains(&text) => Ok(()),
        Kind::Choice(words) => Err(format!("one of {}", words.join(", "))),
    }
}

/// A whole number.
pub(super) fn count(text: &str) -> Result<u64, Mismatch> {
    text.trim().parse().map_err(|_| "a whole number".to_owned())
}

/// A number between 0 and 1.
pub(super) fn fraction(text: &str) -> Result<f64, Mismatch> {
    let number = text.trim().parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "a number between 0 and 1".to_owned())
}

/// A number with a unit behind it: the factor of the unit times the number.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A number of bytes.
pub(super) fn bytes(text: &str) -> Result<u64, Mismatch> {
    let units = [("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
    with_unit(text, &units).ok_or_else(|| "a number of bytes, like 65536, 64 KiB or 5 GiB".to_owned())
}

/// A span of time. Without a unit the number would be anybody's guess, so it is refused.
pub(super) fn duration(text: &str) -> Result<Duration, Mismatch> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let span = with_unit(text, &units).map(Duration::from_millis);
    span.ok_or_else(|| "a time with its unit, like 500ms, 30s, 10m or 12h".to_owned())
}

/// The parts of a list that was written as one text.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_units() {
        assert_eq!(bytes("65536"), Ok(65536));
        assert_eq!(bytes("64 KiB"), Ok(65536));
        assert_eq!(bytes("5gib"), Ok(5 << 30));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2 h"), Ok(Duration::from_secs(7200)));
        assert_eq!(list(" a, ,b "), ["a", "b"]);
        assert_eq!(fraction("0.25"), Ok(0.25));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in ["", "64 KB x", "-1", "1e3", "99999999999 GiB", "KiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        for bad in ["30", "", "s", "1 week", "999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["1.5", "-0.1", "NaN", "half"] {
            assert!(fraction(bad).is_err(), "{bad}");
        }
        for (kind, bad) in [(Kind::Count, "many"), (Kind::Address, "8000"), (Kind::Choice(&["a"]), "b")] {
            assert!(check(kind, bad).is_err(), "{bad}");
        }
    }
}
