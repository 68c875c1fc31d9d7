//! Colours as numbers: a heat map even in lightness (OKLab), and the nearest colour of smaller palettes.

use std::sync::OnceLock;

/// 8-bit sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// Blue that reads on black and on white.
pub const ACCENT: Rgb = Rgb(0x3d, 0x91, 0xd6);

/// States: as it should be, to be looked at, wrong; readable on black, darker on white.
pub const GOOD: Rgb = Rgb(0x2f, 0xa8, 0x5c);
pub const WARNING: Rgb = Rgb(0xc9, 0x8a, 0x0c);
pub const BAD: Rgb = Rgb(0xe0, 0x4b, 0x4b);
/// The red of Okabe and Ito.
pub const VERMILION: Rgb = Rgb(0xd5, 0x5e, 0x00);

/// The same hue for white paper.
pub fn darker(Rgb(r, g, b): Rgb) -> Rgb {
    let less = |v: u8| u8::try_from(u16::from(v) * 7 / 10).unwrap_or(v);
    Rgb(less(r), less(g), less(b))
}

/// Lines of charts, after the colour-blind-safe set of Okabe and Ito: blue, orange, green, purple, yellow, sky, grey.
pub const SERIES: [Rgb; 7] = [
    Rgb(0x3d, 0x91, 0xd6),
    Rgb(0xde, 0x7f, 0x1b),
    Rgb(0x18, 0x9e, 0x77),
    Rgb(0xcc, 0x79, 0xa7),
    Rgb(0xb8, 0x95, 0x1c),
    Rgb(0x5f, 0x8f, 0xa8),
    Rgb(0x8a, 0x8f, 0x98),
];

/// OKLab of an sRGB colour: lightness 0..1, green to red, blue to yellow.
pub fn to_oklab(Rgb(r, g, b): Rgb) -> [f64; 3] {
    let (r, g, b) = (linear(r), linear(g), linear(b));
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    [
        0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
        1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
        0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
    ]
}

/// Linear sRGB of an OKLab colour; outside 0..1 where the screen cannot show it.
fn to_linear([l, a, b]: [f64; 3]) -> [f64; 3] {
    let l_ = (l + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m_ = (l - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s_ = (l - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * l_ - 3.307_711_591_3 * m_ + 0.230_969_929_2 * s_,
        -1.268_438_004_6 * l_ + 2.609_757_401_1 * m_ - 0.341_319_396_5 * s_,
        -0.004_196_086_3 * l_ - 0.703_418_614_7 * m_ + 1.707_614_701_0 * s_,
    ]
}

/// The heat map: lightness rises evenly from dark blue over teal to light yellow, so that order shows even without hue.
pub fn heat(t: f64) -> Rgb {
    let t = t.clamp(0.0, 1.0);
    let lightness = 0.30 + 0.60 * t;
    let hue = (285.0 - 178.0 * t).to_radians();
    // As colourful as the screen can show, up to a ceiling.
    let mut chroma = 0.14;
    loop {
        let linear = to_linear([lightness, chroma * hue.cos(), chroma * hue.sin()]);
        if linear.iter().all(|v| (-0.0005..=1.0005).contains(v)) || chroma <= 0.0 {
            let byte = |v: f64| {
                let v = v.clamp(0.0, 1.0);
                let v = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
                (v * 255.0).round() as u8
            };
            return Rgb(byte(linear[0]), byte(linear[1]), byte(linear[2]));
        }
        chroma -= 0.004;
    }
}

/// The heat map in 64 steps, each with its nearest colour of 256; made once.
pub fn heat_step(t: f64) -> (Rgb, u8) {
    const STEPS: usize = 64;
    static TABLE: OnceLock<Vec<(Rgb, u8)>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let step = |i| {
            let rgb = heat(i as f64 / (STEPS - 1) as f64);
            (rgb, nearest_256(rgb))
        };
        (0..STEPS).map(step).collect()
    });
    table[((t.clamp(0.0, 1.0) * (STEPS - 1) as f64).round() as usize).min(STEPS - 1)]
}

/// Whether black reads better on it than white: by relative luminance, as WCAG weighs it.
pub fn is_light(rgb: Rgb) -> bool {
    luminance(rgb) > 0.179
}

fn luminance(Rgb(r, g, b): Rgb) -> f64 {
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

fn linear(v: u8) -> f64 {
    let v = f64::from(v) / 255.0;
    if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

/// The nearest of the fixed colours 16 to 255 of the 256-colour palette (the first 16 are the person's own).
pub fn nearest_256(rgb: Rgb) -> u8 {
    let want = to_oklab(rgb);
    let mut best = (f64::INFINITY, 16);
    for index in 16..=255 {
        let have = to_oklab(of_256(index));
        // Lightness counts more: it is what the map's order is read from.
        let weights = [6.0, 1.0, 1.0];
        let distance: f64 = want.iter().zip(have).zip(weights).map(|((a, b), w)| w * (a - b) * (a - b)).sum();
        if distance < best.0 {
            best = (distance, index);
        }
    }
    best.1
}

/// The sRGB of colours 16 to 255: a 6 x 6 x 6 cube and 24 greys; below 16, the usual xterm values.
pub fn of_256(index: u8) -> Rgb {
    match index {
        0..=15 => {
            const NAMED: [Rgb; 16] = [
                Rgb(0, 0, 0),
                Rgb(205, 49, 49),
                Rgb(13, 160, 95),
                Rgb(190, 150, 20),
                Rgb(36, 114, 200),
                Rgb(188, 63, 188),
                Rgb(17, 150, 190),
                Rgb(210, 210, 210),
                Rgb(102, 102, 102),
                Rgb(241, 76, 76),
                Rgb(35, 190, 120),
                Rgb(235, 220, 90),
                Rgb(59, 142, 234),
                Rgb(214, 112, 214),
                Rgb(41, 184, 219),
                Rgb(250, 250, 250),
            ];
            NAMED[usize::from(index)]
        }
        16..=231 => {
            let i = index - 16;
            let level = |v: u8| if v == 0 { 0 } else { 55 + 40 * v };
            Rgb(level(i / 36), level(i / 6 % 6), level(i % 6))
        }
        232..=255 => {
            let v = 8 + 10 * (index - 232);
            Rgb(v, v, v)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_even_in_lightness() {
        let steps: Vec<f64> = (0..=20).map(|i| to_oklab(heat(f64::from(i) / 20.0))[0]).collect();
        for pair in steps.windows(2) {
            let rise = pair[1] - pair[0];
            assert!((0.02..0.04).contains(&rise), "a step of {rise}");
        }
    }

    #[test]
    fn the_map_keeps_its_order_in_256_colours_and_without_red_green_sight() {
        let mut before = f64::NEG_INFINITY;
        for i in 0..=8 {
            let rgb = heat(f64::from(i) / 8.0);
            let small = to_oklab(of_256(nearest_256(rgb)))[0];
            assert!(small > before, "step {i}");
            before = small;
        }
        // A deuteranope's view loses the a axis; lightness and the b axis must still rise together from end to end.
        let (low, high) = (to_oklab(heat(0.0)), to_oklab(heat(1.0)));
        assert!(high[0] - low[0] > 0.5 && high[2] - low[2] > 0.15);
    }

    #[test]
    fn colours_are_read_on_black_and_darker_ones_on_white() {
        for rgb in [ACCENT, GOOD, WARNING, BAD, VERMILION].into_iter().chain(SERIES) {
            assert!(contrast(rgb, Rgb(0x10, 0x14, 0x18)) >= 4.0, "{rgb:?}");
            assert!(contrast(darker(rgb), Rgb(255, 255, 255)) >= 4.0, "{rgb:?}");
        }
    }

    #[test]
    fn text_on_the_map_stands_out() {
        for i in 0..=50 {
            let rgb = heat(f64::from(i) / 50.0);
            let on = if is_light(rgb) { Rgb(0, 0, 0) } else { Rgb(255, 255, 255) };
            assert!(contrast(rgb, on) >= 4.5, "{rgb:?}: {}", contrast(rgb, on));
        }
    }

    /// WCAG contrast ratio.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (x, y) = (luminance(a) + 0.05, luminance(b) + 0.05);
        if x > y { x / y } else { y / x }
    }
}
