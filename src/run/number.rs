//! Numbers in journals and on command lines: JSON's, those that JSON has not, bytes as people type them.

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Bytes as people type them: `1.5 GiB`, `800M`, `2gb` (all in binary units); none where it is no amount above 0.
pub fn parse_bytes(typed: &str) -> Option<u64> {
    let typed = typed.trim();
    let end = typed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(typed.len());
    let number: f64 = typed[..end].parse().ok()?;
    let power = match typed[end..].trim().to_lowercase().as_str() {
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "b" => 0,
        _ => return None,
    };
    let bytes = number * 1024f64.powi(power);
    (bytes >= 1.0 && bytes < 2f64.powi(60)).then_some(bytes as u64)
}

/// The same, or a whole number of bytes without a unit: for settings and arguments.
pub fn parse_amount(given: &str) -> Option<u64> {
    let plain = given.trim().parse().ok().filter(|n| (1..1 << 60).contains(n));
    plain.or_else(|| parse_bytes(given))
}

/// A float that survives JSON: NaN and the infinities are written as `"nan"`, `"inf"`, `"-inf"`, never as `null` or 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Number(pub f64);

impl From<f64> for Number {
    fn from(v: f64) -> Self {
        Number(v)
    }
}

impl From<f32> for Number {
    fn from(v: f32) -> Self {
        Number(f64::from(v))
    }
}

impl From<Number> for f64 {
    fn from(v: Number) -> Self {
        v.0
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            s.serialize_f64(self.0)
        } else if self.0.is_nan() {
            s.serialize_str("nan")
        } else if self.0 > 0.0 {
            s.serialize_str("inf")
        } else {
            s.serialize_str("-inf")
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Number;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a number, \"nan\", \"inf\" or \"-inf\"")
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<Number, E> {
                Ok(Number(v))
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Number, E> {
                match v {
                    "nan" => Ok(Number(f64::NAN)),
                    "inf" => Ok(Number(f64::INFINITY)),
                    "-inf" => Ok(Number(f64::NEG_INFINITY)),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
        }
        d.deserialize_any(Text)
    }
}
