//! Enums that settings, files and command lines call by words.

/// Gives an enum with `ALL` and `name()` its words: `Display`, `FromStr` and serde all speak of `name()`.
macro_rules! words {
    ($type:ty) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let all = Self::ALL.into_iter();
                all.clone().find(|one| one.name() == text).ok_or_else(|| {
                    let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
                    let known: Vec<&str> = all.map(Self::name).collect();
                    format!("`{shown}` is none of {}", known.join(", "))
                })
            }
        }

        $crate::words::by_text!($type);
    };
}

/// Serde by `Display` and `FromStr`.
macro_rules! by_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {by_text, words};
