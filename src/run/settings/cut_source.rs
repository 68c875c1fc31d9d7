//! The setting `cut.source`: what the automatic cut goes by.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::nearest::nearest;
use crate::proxies;
use crate::space::By;
use crate::space::cut::Source;

/// The scores, some of their functions, or a control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CutSource {
    Of(Source),
    /// The scores by these ranking functions alone.
    Functions(Vec<String>),
}

impl CutSource {
    /// Where the cut comes from: functions are scores, too.
    pub const fn automatic(&self) -> Source {
        match self {
            CutSource::Of(source) => *source,
            CutSource::Functions(_) => Source::Scores,
        }
    }

    /// The functions that it names; none for all.
    pub fn functions(&self) -> &[String] {
        match self {
            CutSource::Of(_) => &[],
            CutSource::Functions(names) => names,
        }
    }

    /// What a cut by scores goes by.
    pub fn by(&self) -> By {
        By { functions: self.functions().to_vec(), aggregate: None }
    }

    /// From names, alone or with commas between them.
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Result<CutSource, String> {
        let names: Vec<&str> = names.flat_map(|name| name.split(',')).map(str::trim).collect();
        if let [one] = names[..]
            && let Ok(source) = one.parse::<Source>()
        {
            return Ok(CutSource::Of(source));
        }
        if names.is_empty() {
            return Err("an empty list cuts by nothing".into());
        }
        let mut functions: Vec<String> = Vec::new();
        for name in names {
            if name.parse::<Source>().is_ok() {
                return Err(format!("`{name}` stands alone: a list is of ranking functions"));
            }
            if proxies::by_name(name).is_err() {
                let all = proxies::TABLE.iter().map(|f| f.name()).chain(Source::ALL.map(Source::name));
                let near = nearest(name, all).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
                let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                let known = Source::ALL.map(Source::name).join(", ");
                return Err(format!("`{shown}` is none of {known}, nor a ranking function{near}"));
            }
            if functions.iter().all(|f| f != name) {
                functions.push(name.into());
            }
        }
        Ok(CutSource::Functions(functions))
    }
}

impl From<Source> for CutSource {
    fn from(source: Source) -> CutSource {
        CutSource::Of(source)
    }
}

impl std::str::FromStr for CutSource {
    type Err = String;

    fn from_str(text: &str) -> Result<CutSource, String> {
        CutSource::of(std::iter::once(text))
    }
}

impl fmt::Display for CutSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CutSource::Of(source) => source.fmt(f),
            CutSource::Functions(names) => f.pad(&names.join(",")),
        }
    }
}

impl Serialize for CutSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CutSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CutSource, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a word, or a list of ranking functions")]
        enum Text {
            One(String),
            Several(Vec<String>),
        }
        let found = match Text::deserialize(deserializer)? {
            Text::One(name) => name.parse(),
            Text::Several(names) => CutSource::of(names.iter().map(String::as_str)),
        };
        found.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::config::Config;

    #[test]
    fn a_source_is_a_word_or_functions_that_are_scored() {
        let set = |text: &str| Config::default().set(text).map(|c| c.cut.source).map_err(|e| e.to_string());
        assert_eq!(set("cut.source=random"), Ok(Source::Random.into()));
        let two = CutSource::Functions(vec!["naswot".into(), "logsynflow".into()]);
        for same in ["naswot,logsynflow", "naswot, logsynflow,naswot", "[\"naswot\", \"logsynflow\"]"] {
            assert_eq!(set(&format!("cut.source={same}")), Ok(two.clone()), "{same}");
        }
        let config = Config::default().set("cut.source=naswot,logsynflow").unwrap();
        assert_eq!(Config::parse(&config.to_toml(), "own"), Ok(config));
        for (bad, part) in [
            (
                "naswott",
                "`naswott` is none of scores, random, cheapest, most_parameters, nor a ranking function; did you mean `naswot`?",
            ),
            ("zico", "`zico` is not scored: score.functions has naswot, logsynflow, mean_jacobian"),
            ("naswot,random", "`random` stands alone"),
            ("[]", "an empty list cuts by nothing"),
        ] {
            let told = set(&format!("cut.source={bad}")).unwrap_err();
            assert!(told.contains(part), "{told}");
        }
    }
}
