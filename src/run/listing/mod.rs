//! Runs as a table of settings and results: which columns there are, which runs a filter lets through, how they are sorted,
//! and which of them differ in nothing but their seed. The Runs screen and `zonas runs` show the same table.

mod column;
mod filter;
mod group;
mod key;
mod live;
mod read;
mod run;
mod table;
mod value;

pub use column::{Column, RESULTS};
pub use filter::Filter;
pub use group::{Cell, Group, common_name, group_of, mean_of, spans};
pub use key::{KeyError, columns, parse as parse_columns, resolve, suggest};
pub use live::Live;
pub use read::{Reader, read};
pub use run::{Listed, Settings, concerns};
pub use table::{Line, Query, Sort, Table};
pub use value::{Kind, Value};

#[cfg(test)]
mod tests;
