//! The key `search.method`: a name for the values of other keys, which are what counts.

use super::table::Search;
use crate::oneshot::{Order, Parts, Preset};

/// Where a text names a method, its parts stand there too: those that the text does not set itself.
pub(super) fn spelt_out(mut given: toml::Table) -> toml::Table {
    let Some(search) = given.get_mut("search").and_then(toml::Value::as_table_mut) else { return given };
    let named = search.get("method").and_then(toml::Value::as_str);
    let Some(Parts { order, regularisers, warm_up_epochs, stop }) = named.and_then(Preset::find).map(Preset::parts)
    else {
        return given;
    };
    let list = |texts: Vec<String>| toml::Value::Array(texts.into_iter().map(toml::Value::String).collect());
    let parts = [
        ("order", toml::Value::Integer(Order::number(order).into())),
        ("regularisers", list(regularisers)),
        ("alpha_warmup_epochs", toml::Value::Integer(warm_up_epochs as i64)),
        ("stop", list(stop)),
    ];
    for (key, value) in parts {
        search.entry(key).or_insert(value);
    }
    given
}

/// Names the method by its parts; a name that there is not is left for the check.
pub(super) fn name(search: &mut Search) {
    if search.method == crate::oneshot::OWN || Preset::find(&search.method).is_some() {
        search.method = search.parts().name().into();
    }
}
