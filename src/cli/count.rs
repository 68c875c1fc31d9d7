//! `zonas count`: exact parameters and multiply-accumulates of a genotype's evaluation network.

use clap::Args;
use color_eyre::eyre;

use super::exit::Exit;
use super::genotype::{Given, WhichArguments};
use super::output::Output;
use crate::run::config::StemChoice;
use crate::space::count::{Network, evaluation};
use crate::space::{Stem, nas_bench_201};
use crate::text;

#[derive(Args, Debug)]
pub struct CountArguments {
    /// A genotype as Python text or JSON, a file or log that holds one (`FILE`, `FILE:NAME`, `-` for standard input), the name of
    /// a published cell (`DARTS_V2`), or six digits or the index of one of NAS-Bench-201.
    genotype: String,
    #[command(flatten)]
    which: WhichArguments,
    /// Width of the network [default: 36; with the stem for ImageNet 48; of NAS-Bench-201 16].
    #[arg(long)]
    channels: Option<usize>,
    /// Number of cells [default: 20; with the stem for ImageNet 14; of NAS-Bench-201 15].
    #[arg(long)]
    cells: Option<usize>,
    /// Classes that the network tells apart [default: 10; with the stem for ImageNet 1000].
    #[arg(long)]
    classes: Option<usize>,
    /// Channels of the pictures.
    #[arg(long, default_value_t = 3)]
    input_channels: usize,
    /// Height and width of the pictures [default: 32; with `--stem imagenet` 224].
    #[arg(long)]
    size: Option<usize>,
    /// What stands before the cells: `cifar`, `imagenet`, or `auto`, which is `imagenet` for pictures of 128 pixels a side and
    /// more.
    #[arg(long, default_value = "auto")]
    stem: StemChoice,
    /// With the auxiliary head that training adds.
    #[arg(long)]
    auxiliary: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(a: &CountArguments) -> eyre::Result<Exit> {
    let Given { name, genotype, .. } = a.which.find(&a.genotype)?;
    let stem = a.stem.stem(genotype.stacking, a.size.unwrap_or(0), a.size.unwrap_or(0));
    let published = Network::published(genotype.stacking, stem);
    let (size, classes) = (a.size.unwrap_or(published.height), a.classes.unwrap_or(published.classes));
    let (channels, cells) = (a.channels.unwrap_or(published.channels), a.cells.unwrap_or(published.cells));
    let network = Network {
        channels,
        cells,
        classes,
        input_channels: a.input_channels,
        height: size,
        width: size,
        auxiliary: a.auxiliary,
        stem,
    };
    let count = evaluation(&genotype, &network)?;
    let digits = |digits: [u8; 6]| digits.map(|d| char::from(b'0' + d)).iter().collect::<String>();
    let in_tables = nas_bench_201::digits(&genotype).map(digits).zip(nas_bench_201::index(&genotype));
    let mut out = Output::stdout();
    if a.json {
        let mut told = serde_json::json!({
            "name": name, "channels": channels, "cells": cells, "classes": classes, "auxiliary": a.auxiliary,
            "stem": stem,
            "genotype": genotype.to_string(), "parameters": count.parameters, "macs": count.macs,
            "convolution_macs": count.macs - count.classifier_macs, "classifier_macs": count.classifier_macs,
        });
        if let Some((digits, index)) = in_tables {
            (told["digits"], told["index"]) = (digits.into(), index.into());
        }
        out.json(&told)?;
    } else {
        if let Some(name) = name {
            out.line(&format!("cell        {name}"))?;
        }
        if let Some((digits, index)) = &in_tables {
            out.line(&format!("in tables   {digits}, number {index} of {}", nas_bench_201::CELLS))?;
        }
        let stem = if stem == Stem::ImageNet { ", the stem for ImageNet" } else { "" };
        let head = if a.auxiliary { ", with the auxiliary head" } else { "" };
        out.line(&format!(
            "network     {}, {}, {}, {}x{}x{} pictures{stem}{head}",
            text::counted(channels, "channel"),
            text::counted(cells, "cell"),
            if classes == 1 { "1 class".into() } else { format!("{classes} classes") },
            size,
            size,
            a.input_channels
        ))?;
        if let Some(words) = genotype.stacking.uneven(cells) {
            out.line(&format!("            {words}"))?;
        }
        out.line(&format!("parameters  {}", count.parameters))?;
        let convolutions = count.macs - count.classifier_macs;
        out.line(&format!(
            "macs        {} ({convolutions} of convolutions, {} of the classifier) for one picture",
            count.macs, count.classifier_macs
        ))?;
    }
    Ok(Exit::Done)
}
