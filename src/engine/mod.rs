//! The stages of a run, and the loop that runs them, emits events and obeys commands.

pub mod score;
