//! The settings of a run and how it ended, as the HParams plugin reads them.

use std::collections::BTreeMap;

use prost::Message;

use super::proto::{
    Data, Dim, Experiment, HParamInfo, HParams, Metadata, MetricInfo, MetricName, PluginData, SessionEnd, SessionStart,
    Setting, SettingKind, Shape, Shown, Tensor, Value,
};
use crate::run::config::{Config, KEYS, Key};
use crate::run::event::Outcome;

/// The tags of the metrics that runs are compared by, of trainings and of searches. TensorBoard takes what there is to compare
/// from one run of a folder, so every run names all of it.
const METRICS: [&str; 4] = ["accuracy/test", "loss/test", "accuracy/valid", "loss/valid"];

/// The settings that results depend on.
fn keys() -> impl Iterator<Item = &'static Key<Config>> {
    let says = |key: &&Key<Config>| {
        let path = key.path();
        !matches!(path.as_str(), "version" | "space.definition") && (!key.free || path == "data.source")
    };
    KEYS.iter().filter(says).filter(|key| key.section != "truth")
}

/// Those of the stages that a run has.
fn settings(config: &Config, trains: bool) -> BTreeMap<String, Setting> {
    let Ok(table) = config.to_toml().parse::<toml::Table>() else { return BTreeMap::new() };
    let other: &[&str] = if trains { &["score", "cut", "search"] } else { &["train"] };
    let value = |key: &Key<Config>| {
        let at = if key.section.is_empty() { Some(&table) } else { table.get(key.section)?.as_table() };
        let kind = match at?.get(key.name)? {
            toml::Value::Boolean(is) => SettingKind::Bool(*is),
            toml::Value::Integer(n) => SettingKind::Number(*n as f64),
            toml::Value::Float(v) => SettingKind::Number(*v),
            toml::Value::String(text) => SettingKind::Text(text.clone()),
            other => SettingKind::Text(other.to_string()),
        };
        Some((key.path(), Setting { kind: Some(kind) }))
    };
    keys().filter(|key| !other.contains(&key.section)).filter_map(value).collect()
}

fn value(tag: &str, data: Data) -> Value {
    let content = HParams { version: 0, data: Some(data) }.encode_to_vec();
    let plugin_data = Some(PluginData { plugin_name: "hparams".into(), content });
    let shape = Some(Shape { dim: vec![Dim { size: 1 }] });
    let nothing = Tensor { dtype: 1, shape, float_val: vec![0.0] };
    Value {
        tag: format!("_hparams_/{tag}"),
        metadata: Some(Metadata { plugin_data }),
        shown: Some(Shown::Tensor(nothing)),
    }
}

/// What there is to compare, and the settings of this run.
pub fn start(config: &Config, trains: bool, time: f64) -> Vec<Value> {
    let usual = settings(&Config::default(), false).into_iter().chain(settings(&Config::default(), true));
    let kinds: BTreeMap<String, Setting> = usual.collect();
    let info = |key: &Key<Config>| HParamInfo {
        name: key.path(),
        description: key.meaning.into(),
        r#type: match kinds.get(&key.path()).and_then(|s| s.kind.as_ref()) {
            Some(SettingKind::Bool(_)) => 2,
            Some(SettingKind::Number(_)) => 3,
            _ => 1,
        },
    };
    let metric = |tag: &str| MetricInfo {
        name: Some(MetricName { group: String::new(), tag: tag.into() }),
        display_name: tag.replace('/', ", "),
    };
    let experiment = Experiment {
        description: "runs of zonas".into(),
        time_created_secs: time,
        hparam_infos: keys().map(info).collect(),
        metric_infos: METRICS.map(metric).to_vec(),
    };
    let hparams = settings(config, trains);
    vec![
        value("experiment", Data::Experiment(experiment)),
        value("session_start_info", Data::Start(SessionStart { hparams, start_time_secs: time })),
    ]
}

/// The end; none of a run that may be resumed, since the plugin keeps the first that it reads.
pub fn end(outcome: Outcome, time: f64) -> Option<Value> {
    let status = match outcome {
        Outcome::Done => 1,
        Outcome::Failed | Outcome::Aborted => 2,
        Outcome::Stopped => return None,
    };
    Some(value("session_end_info", Data::End(SessionEnd { status, end_time_secs: time })))
}
