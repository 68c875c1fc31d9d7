//! Parts that screens are made of. Each draws plain data into a [`Pad`](super::draw::Pad).

mod bar;
mod chart;
mod graph;
mod grid;
mod raster;

pub use bar::bar;
pub use chart::{Band, Chart, Curve, Steps};
pub use graph::{graph, graph_height, graph_width, margins, margins_width, wiring, wiring_height};
pub use grid::{Entry, Grid};
