//! How settings are written down: each key once, with its type, default, meaning, help, example and check.

/// Version of the configuration format.
pub const VERSION: u32 = 1;

/// What is known of a key beside its type; `C` is the configuration.
pub struct Key<C> {
    /// "" at the top.
    pub section: &'static str,
    pub name: &'static str,
    /// One line.
    pub meaning: &'static str,
    /// What one should know before one changes it.
    pub help: &'static str,
    /// A value other than the default, as TOML.
    pub example: &'static str,
    /// Results do not depend on it, or for rounding only, or other keys say it: it is not compared when a run is resumed.
    pub free: bool,
    /// Why the value that a configuration has makes no sense by itself.
    pub check: fn(&C) -> Result<(), String>,
}

impl<C> Key<C> {
    /// `search.batch` and so on.
    pub fn path(&self) -> String {
        if self.section.is_empty() { self.name.into() } else { format!("{}.{}", self.section, self.name) }
    }
}

/// Sections of settings: their structs with defaults, `Config` with all of them, and `KEYS`.
///
/// A key is `name: type = default, [free,] [check,] meaning, help, example;` where a check takes the value.
macro_rules! settings {
    (
        top { $($top:ident: $top_type:ty = $top_default:expr, ($top_check:expr), $top_meaning:literal, $top_help:literal, $top_example:literal;)+ }
        $(
            $(#[doc = $about:literal])+
            $section:ident: $name:ident {
                $($key:ident: $type:ty = $default:expr, $($free:ident,)? $(($check:expr),)? $meaning:literal, $help:literal, $example:literal;)+
            }
        )+
    ) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub struct $name {
                $(#[doc = $meaning] pub $key: $type,)+
            }

            impl Default for $name {
                fn default() -> Self {
                    $name { $($key: $default,)+ }
                }
            }
        )+

        /// Every setting of a run. `zonas config` prints them, `config.toml` of a run folder holds them.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Config {
            $(#[doc = $top_meaning] pub $top: $top_type,)+
            $($(#[doc = $about])+ pub $section: $name,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Config { $($top: $top_default,)+ $($section: $name::default(),)+ }
            }
        }

        /// All keys, section by section.
        pub const KEYS: &[Key<Config>] = &[
            $(Key {
                section: "",
                name: stringify!($top),
                meaning: $top_meaning,
                help: $top_help,
                example: $top_example,
                free: false,
                check: |c| ($top_check)(&c.$top),
            },)+
            $($(Key {
                section: stringify!($section),
                name: stringify!($key),
                meaning: $meaning,
                help: $help,
                example: $example,
                free: settings!(@free $($free)?),
                check: |c| settings!(@check &c.$section.$key $(, $check)?),
            },)+)+
        ];
    };
    (@free) => { false };
    (@free free) => { true };
    (@check $value:expr) => {{ let _ = $value; Ok(()) }};
    (@check $value:expr, $check:expr) => { ($check)($value) };
}

pub(super) use settings;
