use std::path::Path;

use clap::Args;
use color_eyre::eyre::{self, WrapErr};

use super::{Exit, Output, Usage};
use crate::space::count::{Network, evaluation};
use crate::space::{Genotype, parse_genotype, published};

/// Longest file that is read for a genotype.
const LONGEST: u64 = 1 << 20;

#[derive(Args, Debug)]
pub struct CountArguments {
    /// A genotype as Python text or JSON, a file that holds one, or the name of a published cell (`DARTS_V2`).
    genotype: String,
    /// Width of the network.
    #[arg(long, default_value_t = 36)]
    channels: usize,
    /// Number of cells.
    #[arg(long, default_value_t = 20)]
    cells: usize,
    #[arg(long, default_value_t = 10)]
    classes: usize,
    /// Channels of the pictures.
    #[arg(long, default_value_t = 3)]
    input_channels: usize,
    /// Height and width of the pictures.
    #[arg(long, default_value_t = 32)]
    size: usize,
    /// With the auxiliary head that training adds.
    #[arg(long)]
    auxiliary: bool,
    #[arg(long)]
    json: bool,
}

pub fn run(a: &CountArguments) -> eyre::Result<Exit> {
    let (name, genotype) = find(&a.genotype)?;
    let network = Network {
        channels: a.channels,
        cells: a.cells,
        classes: a.classes,
        input_channels: a.input_channels,
        height: a.size,
        width: a.size,
        auxiliary: a.auxiliary,
    };
    let count = evaluation(&genotype, &network)?;
    let mut out = Output::stdout();
    if a.json {
        out.json(&serde_json::json!({
            "name": name, "channels": a.channels, "cells": a.cells, "classes": a.classes, "auxiliary": a.auxiliary,
            "parameters": count.parameters, "macs": count.macs,
        }))?;
    } else {
        if let Some(name) = name {
            out.line(&format!("cell        {name}"))?;
        }
        let head = if a.auxiliary { ", with the auxiliary head" } else { "" };
        out.line(&format!(
            "network     {} channels, {} cells, {} classes, {}x{}x{} pictures{head}",
            a.channels, a.cells, a.classes, a.size, a.size, a.input_channels
        ))?;
        out.line(&format!("parameters  {}", count.parameters))?;
        out.line(&format!("macs        {}", count.macs))?;
    }
    Ok(Exit::Done)
}

/// What the argument stands for: text, a file, or a published name (which is given back).
fn find(argument: &str) -> eyre::Result<(Option<String>, Genotype)> {
    if argument.contains(['(', '{']) {
        return Ok((None, parse_genotype(argument)?));
    }
    let path = Path::new(argument);
    if path.is_file() {
        let size = path.metadata().map_or(0, |m| m.len());
        if size > LONGEST {
            return Err(Usage(format!("{argument}: {size} bytes are too many for a genotype")).into());
        }
        let text = std::fs::read_to_string(path).map_err(|e| Usage(format!("can't read {argument}: {e}")))?;
        return Ok((None, parse_genotype(&text).wrap_err_with(|| argument.to_string())?));
    }
    match published::find(argument) {
        Ok(p) => Ok((Some(p.name), p.genotype)),
        Err(nearest) => Err(Usage(format!(
            "`{argument}` is neither a genotype, nor a file, nor a published cell; the nearest name is `{nearest}`"
        ))
        .into()),
    }
}
