//! The settings of a run and how it ended, as the HParams plugin reads them.

use prost::Message;

use super::proto::{
    Data, Dim, Experiment, HParamInfo, HParams, Metadata, MetricInfo, MetricName, PluginData, SessionEnd, SessionStart,
    Setting, SettingKind, Shape, Shown, Tensor, Value,
};
use crate::run::config::{Config, KEYS};
use crate::run::event::Outcome;

/// The tags of the metrics that runs are compared by: the accuracy and the loss of an epoch.
pub const fn metrics(trains: bool) -> [&'static str; 2] {
    if trains { ["accuracy/test", "loss/test"] } else { ["accuracy/valid", "loss/valid"] }
}

/// The settings that results depend on, of the stages that such a run has.
fn settings(config: &Config, trains: bool) -> Vec<(String, &'static str, Setting)> {
    let Ok(table) = config.to_toml().parse::<toml::Table>() else { return Vec::new() };
    let other: &[&str] = if trains { &["score", "cut", "search", "truth"] } else { &["train", "truth"] };
    let takes_part = KEYS.iter().filter(|key| {
        let path = key.path();
        let data = path == "data.source";
        (!key.free || data) && !other.contains(&key.section) && path != "version" && path != "space.definition"
    });
    let value = |key: &crate::run::config::Key<Config>| {
        let at = if key.section.is_empty() { Some(&table) } else { table.get(key.section)?.as_table() };
        let kind = match at?.get(key.name)? {
            toml::Value::Boolean(is) => SettingKind::Bool(*is),
            toml::Value::Integer(n) => SettingKind::Number(*n as f64),
            toml::Value::Float(v) => SettingKind::Number(*v),
            toml::Value::String(text) => SettingKind::Text(text.clone()),
            other => SettingKind::Text(other.to_string()),
        };
        Some((key.path(), key.meaning, Setting { kind: Some(kind) }))
    };
    takes_part.filter_map(value).collect()
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
    let settings = settings(config, trains);
    let info = |(name, meaning, setting): &(String, &'static str, Setting)| HParamInfo {
        name: name.clone(),
        description: (*meaning).into(),
        r#type: match setting.kind {
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
        hparam_infos: settings.iter().map(info).collect(),
        metric_infos: metrics(trains).map(metric).to_vec(),
    };
    let hparams = settings.into_iter().map(|(name, _, setting)| (name, setting)).collect();
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
