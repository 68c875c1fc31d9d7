use std::fs::File;
use std::io::{self, Read};
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
            "convolution_macs": count.macs - count.classifier_macs, "classifier_macs": count.classifier_macs,
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
        let convolutions = count.macs - count.classifier_macs;
        out.line(&format!(
            "macs        {} ({convolutions} of convolutions, {} of the classifier) for one picture",
            count.macs, count.classifier_macs
        ))?;
    }
    Ok(Exit::Done)
}

/// What the argument stands for: a file, a published name (which is given back), or text. Names and files may have
/// parentheses too, so text is what is left.
fn find(argument: &str) -> eyre::Result<(Option<String>, Genotype)> {
    let path = Path::new(argument);
    if path.is_dir() {
        return Err(Usage(format!("{argument} is a folder; name a file that holds a genotype")).into());
    }
    if path.exists() {
        let text = read(path).map_err(|e| Usage(format!("can't read {argument}: {e}")))?;
        return Ok((None, parse_genotype(&text).wrap_err_with(|| argument.to_string())?));
    }
    let nearest = match published::find(argument) {
        Ok(p) => return Ok((Some(p.name), p.genotype)),
        Err(nearest) => nearest,
    };
    if argument.contains(['[', '{']) || argument.contains("Genotype") {
        return Ok((None, parse_genotype(argument)?));
    }
    let shown: String = argument.chars().take(80).collect();
    Err(Usage(format!(
        "`{shown}` is neither a genotype, nor a file, nor a published cell; the nearest name is `{nearest}`"
    ))
    .into())
}

/// A file's text. A pipe or a device, whose size is not known before, is read no further than a file may be long.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("a genotype has at most {LONGEST} bytes")));
    }
    Ok(text)
}
