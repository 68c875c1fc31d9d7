use candle_core::{Device, Tensor, Var};
use candle_nn::loss::cross_entropy;

use super::optimiser::{Adam, AdamSettings, Sgd, SgdSettings};
use crate::kernels::sgd;
use crate::nn::{Mixing, NnError, Pass, Supernet};
use crate::random;
use crate::space::{CellKind, EDGES, Genotype, Mask, OPERATIONS, Place};

/// Pictures `[N, H, W, C]` and classes `[N]`.
#[derive(Clone, Debug)]
pub struct Batch {
    pub images: Tensor,
    pub labels: Tensor,
}

/// Settings of the bi-level search; the published ones are the defaults of the program's configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub sgd: SgdSettings,
    pub adam: AdamSettings,
    /// 1 or 2.
    pub order: u8,
}

impl Settings {
    /// SGD and Adam as in DARTS, without the schedule.
    pub fn published(order: u8) -> Settings {
        Settings {
            sgd: SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0 },
            adam: AdamSettings { learning_rate: 3e-4, beta1: 0.5, beta2: 0.999, weight_decay: 1e-3 },
            order,
        }
    }
}

/// What one step has seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    pub train_loss: f64,
    /// Pictures of the training batch that were classified rightly.
    pub train_right: usize,
    pub valid_loss: Option<f64>,
    /// L2 norm of all weight gradients before clipping.
    pub gradient_norm: f64,
}

/// A supernet in search: its weights, its alphas and both optimisers.
pub struct Searcher {
    pub net: Supernet,
    pub settings: Settings,
    /// `alphas_normal` and `alphas_reduce`, `[14, 8]`.
    alphas: [Var; 2],
    active: Vec<Vec<bool>>,
    sgd: Sgd,
    adam: Adam,
}

/// Everything that changes during a search, as plain numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearcherState {
    pub weights: Vec<Vec<f32>>,
    pub running: Vec<Vec<f32>>,
    pub batches: u64,
    pub alphas: Vec<Vec<f32>>,
    pub momentum: Vec<Vec<f32>>,
    pub adam_steps: u64,
    pub adam_first: Vec<Vec<f32>>,
    pub adam_second: Vec<Vec<f32>>,
}

/// How many rows of `logits` `[N, classes]` have their greatest number at the label.
///
/// # Errors
/// None but candle's own.
pub fn accuracy(logits: &Tensor, labels: &Tensor) -> Result<usize, NnError> {
    let (rows, labels) = (logits.to_vec2::<f32>()?, labels.to_vec1::<u32>()?);
    let top = |row: &[f32]| {
        row.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (i, v)| if *v > best.1 { (i, *v) } else { best }).0
    };
    Ok(rows.iter().zip(labels).filter(|(row, label)| top(row) == *label as usize).count())
}

/// A weight moved by `by` of itself: up or down, by a hash of its place, and always alike.
fn nudged(weight: f32, place: usize, by: f64) -> f32 {
    if by == 0.0 {
        return weight;
    }
    let up = (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 0;
    (f64::from(weight) * (1.0 + if up { by } else { -by })) as f32
}

pub(super) fn scalar(t: &Tensor) -> Result<f64, NnError> {
    Ok(f64::from(t.to_scalar::<f32>()?))
}

impl Searcher {
    /// Alphas start at 1e-3·N(0, 1) from the stream `alphas`, equal for every mask.
    ///
    /// # Errors
    /// None but candle's own.
    pub fn new(net: Supernet, settings: Settings, seed: u64) -> Result<Searcher, NnError> {
        let mut rng = random::stream(seed, "alphas");
        let mut draw = || {
            let numbers: Vec<f32> = (0..EDGES * OPERATIONS).map(|_| (1e-3 * random::normal(&mut rng)) as f32).collect();
            Var::from_vec(numbers, (EDGES, OPERATIONS), &Device::Cpu)
        };
        let alphas = [draw()?, draw()?];
        let mask = net.config().mask;
        let active = CellKind::ALL
            .map(|kind| Place::all().filter(|p| p.cell == kind).map(|p| mask.contains(p)).collect::<Vec<bool>>())
            .to_vec();
        Ok(Searcher { net, settings, alphas, active, sgd: Sgd::new(settings.sgd), adam: Adam::new(settings.adam) })
    }

    pub fn mask(&self) -> Mask {
        self.net.config().mask
    }

    /// Raw alphas by kind, flat `[14 · 8]`.
    ///
    /// # Errors
    /// None but candle's own.
    pub fn alphas(&self) -> Result<[Vec<f32>; 2], NnError> {
        let flat = |v: &Var| v.flatten_all()?.to_vec1::<f32>();
        Ok([flat(&self.alphas[0])?, flat(&self.alphas[1])?])
    }

    /// # Errors
    /// Tables of another size.
    pub fn set_alphas(&self, alphas: [&[f32]; 2]) -> Result<(), NnError> {
        for (var, values) in self.alphas.iter().zip(alphas) {
            var.set(&Tensor::from_slice(values, (EDGES, OPERATIONS), &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// Softmaxed mixing weights by kind, flat `[14 · 8]`, 0 where cut.
    ///
    /// # Errors
    /// None but candle's own.
    pub fn mixing_values(&self) -> Result<[Vec<f32>; 2], NnError> {
        let mixing = self.detached()?;
        let flat = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
        Ok([flat(&mixing.normal)?, flat(&mixing.reduction)?])
    }

    /// The genotype that the alphas stand for now.
    ///
    /// # Errors
    /// None but candle's own.
    pub fn genotype(&self) -> Result<Genotype, NnError> {
        let [normal, reduction] = self.mixing_values()?;
        Ok(super::derive([&normal, &reduction], &self.mask()))
    }

    fn tracked(&self) -> Result<Mixing, NnError> {
        Ok(Mixing::softmax(&self.alphas[0], &self.alphas[1], &self.mask())?)
    }

    fn detached(&self) -> Result<Mixing, NnError> {
        let [n, r] = [&self.alphas[0], &self.alphas[1]].map(|v| v.as_detached_tensor());
        Ok(Mixing::softmax(&n, &r, &self.mask())?)
    }

    /// One search step: the alphas move on the validation batch (unless it is absent, as in a warm-up), then the weights on
    /// the training batch at learning rate `rate`.
    ///
    /// # Errors
    /// None but candle's own. A loss that is not finite is reported, and nothing moves after it.
    pub fn step(&mut self, train: &Batch, valid: Option<&Batch>, rate: f64) -> Result<StepReport, NnError> {
        let mut valid_loss = None;
        if let Some(valid) = valid {
            let (loss, gradients) = if self.settings.order == 2 {
                self.unrolled(train, valid, rate, 0.0)?
            } else {
                self.architecture(valid)?
            };
            valid_loss = Some(loss);
            if !loss.is_finite() {
                return Ok(StepReport { train_loss: f64::NAN, train_right: 0, valid_loss, gradient_norm: f64::NAN });
            }
            let mut alphas = self.alphas()?.to_vec();
            self.adam.step(&mut alphas, &gradients, &self.active);
            self.set_alphas([&alphas[0], &alphas[1]])?;
        }
        let logits = self.net.forward(&train.images, &self.detached()?, &Pass::weight_step())?;
        let loss = cross_entropy(&logits, &train.labels)?;
        let train_loss = scalar(&loss)?;
        let train_right = accuracy(&logits, &train.labels)?;
        if !train_loss.is_finite() {
            return Ok(StepReport { train_loss, train_right, valid_loss, gradient_norm: f64::NAN });
        }
        let found = loss.backward()?;
        // The maps of the step go before the weights are copied.
        drop((loss, logits));
        let gradient_norm = self.sgd.step(rate, self.net.parameters(), found)?;
        Ok(StepReport { train_loss, train_right, valid_loss, gradient_norm })
    }

    /// Loss and alpha gradients at the weights as they are.
    fn architecture(&self, valid: &Batch) -> Result<(f64, Vec<Vec<f32>>), NnError> {
        self.alpha_gradients(valid, &Pass::architecture_step())
    }

    fn alpha_gradients(&self, batch: &Batch, pass: &Pass) -> Result<(f64, Vec<Vec<f32>>), NnError> {
        let logits = self.net.forward(&batch.images, &self.tracked()?, pass)?;
        let loss = cross_entropy(&logits, &batch.labels)?;
        let gradients = loss.backward()?;
        Ok((scalar(&loss)?, self.alphas_of(&gradients)?))
    }

    fn alphas_of(&self, gradients: &candle_core::backprop::GradStore) -> Result<Vec<Vec<f32>>, NnError> {
        self.alphas
            .iter()
            .map(|a| match gradients.get(a) {
                Some(g) => Ok(g.flatten_all()?.to_vec1::<f32>()?),
                // No cell of this kind in the network.
                None => Ok(vec![0.0; EDGES * OPERATIONS]),
            })
            .collect()
    }

    /// Validation loss after one imagined weight step, and its alpha gradients with the implicit term by finite differences
    /// (DARTS, equations 6 to 8). One pass at a time is alive; what is kept beside it are copies of the weights.
    ///
    /// These gradients are noisy by nature, in any program and precision: the implicit term divides the difference of two
    /// gradients by a small step, so weights that are moved by 6e-8 of themselves move it by about 1e-6, and by 1e-4 to 0.2
    /// where one of the two falls on the other side of a ReLU's kink, which happens in most networks. What it amounts to at
    /// a place is what [`Searcher::sensitivity`] measures.
    ///
    /// Found where the weights are, each moved by `by` of itself, up or down by a rule of its place; 0 moves none. They are
    /// put back.
    fn unrolled(&self, train: &Batch, valid: &Batch, rate: f64, by: f64) -> Result<(f64, Vec<Vec<f32>>), NnError> {
        // The imagined steps leave the running statistics alone.
        let weight_pass = Pass { update_running: false, ..Pass::weight_step() };
        let start = self.net.parameters().values()?;
        if by != 0.0 {
            let moved = |w: &Vec<f32>| w.iter().enumerate().map(|(i, w)| nudged(*w, i, by)).collect();
            self.net.parameters().set_values(start.iter().map(moved).collect())?;
        }
        let mixing = self.detached()?;
        let loss = cross_entropy(&self.net.forward(&train.images, &mixing, &weight_pass)?, &train.labels)?;
        let gradients = self.net.parameters().gradients(&loss.backward()?)?;
        drop(loss);
        let SgdSettings { momentum, weight_decay, .. } = self.settings.sgd;
        let buffers = self.sgd.momentum.values()?;
        let imagined: Vec<Vec<f32>> = start
            .iter()
            .zip(&gradients)
            .enumerate()
            .map(|(b, (w, g))| {
                let buffer = buffers.get(b);
                let moved = w.iter().zip(g).enumerate().map(|(i, (w, g))| {
                    let m = buffer.map_or(0.0, |m| f64::from(m[i]));
                    let w = f64::from(nudged(*w, i, by));
                    let d = momentum * m + f64::from(*g) + weight_decay * w;
                    (w - rate * d) as f32
                });
                moved.collect()
            })
            .collect();
        drop((gradients, buffers));
        self.net.parameters().set_values(imagined)?;
        let both = Pass { mixing: true, ..weight_pass.clone() };
        let logits = self.net.forward(&valid.images, &self.tracked()?, &both)?;
        let loss = cross_entropy(&logits, &valid.labels)?;
        let valid_loss = scalar(&loss)?;
        let found = loss.backward()?;
        let mut alphas = self.alphas_of(&found)?;
        let direction = self.net.parameters().gradients(&found)?;
        drop((found, loss, logits));
        let epsilon = 0.01 / sgd::norm(&direction);
        let shifted = |sign: f64| -> Result<Vec<Vec<f32>>, NnError> {
            let moved = start
                .iter()
                .zip(&direction)
                .map(|(w, d)| {
                    let moved = |(i, (w, d)): (usize, (&f32, &f32))| {
                        (f64::from(nudged(*w, i, by)) + sign * epsilon * f64::from(*d)) as f32
                    };
                    w.iter().zip(d).enumerate().map(moved).collect()
                })
                .collect();
            self.net.parameters().set_values(moved)?;
            let pass = Pass { update_running: false, ..Pass::architecture_step() };
            Ok(self.alpha_gradients(train, &pass)?.1)
        };
        let differences = shifted(1.0).and_then(|plus| Ok((plus, shifted(-1.0)?)));
        self.net.parameters().set_values(start)?;
        let (plus, minus) = differences?;
        for ((a, p), m) in alphas.iter_mut().zip(&plus).zip(&minus) {
            for ((a, p), m) in a.iter_mut().zip(p).zip(m) {
                *a = (f64::from(*a) - rate * (f64::from(*p) - f64::from(*m)) / (2.0 * epsilon)) as f32;
            }
        }
        Ok((valid_loss, alphas))
    }

    /// How far the second-order alpha gradients of a step are apart where the weights differ by rounding: every weight moved
    /// up by 1e-7 of itself or down, by a rule of its place, against all of them moved the other way; the L2 norm of the
    /// difference over that of the mean. The state is left as it was, bit for bit.
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    pub fn sensitivity(&self, train: &Batch, valid: &Batch, rate: f64) -> Result<f64, NnError> {
        let gradients =
            |by: f64| -> Result<Vec<f32>, NnError> { Ok(self.unrolled(train, valid, rate, by)?.1.concat()) };
        let (up, down) = (gradients(1e-7)?, gradients(-1e-7)?);
        let pairs = || up.iter().zip(&down).map(|(u, d)| (f64::from(*u), f64::from(*d)));
        let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
        let apart = norm(&mut pairs().map(|(u, d)| u - d));
        let mean = norm(&mut pairs().map(|(u, d)| (u + d) / 2.0));
        Ok(if apart == 0.0 { 0.0 } else { apart / mean })
    }

    /// Second-order alpha gradients at the present state, which is left as it was; for checks.
    ///
    /// # Errors
    /// None but candle's own.
    pub fn unrolled_gradients(&self, train: &Batch, valid: &Batch, rate: f64) -> Result<(f64, Vec<Vec<f32>>), NnError> {
        self.unrolled(train, valid, rate, 0.0)
    }

    /// Loss (summed over pictures) and right answers in evaluation mode.
    ///
    /// # Errors
    /// None but candle's own.
    pub fn evaluate(&self, batch: &Batch) -> Result<(f64, usize), NnError> {
        let logits = self.net.forward(&batch.images, &self.detached()?, &Pass::evaluate())?;
        let loss = scalar(&cross_entropy(&logits, &batch.labels)?)?;
        Ok((loss * logits.dim(0)? as f64, accuracy(&logits, &batch.labels)?))
    }

    /// Everything that a checkpoint needs.
    ///
    /// # Errors
    /// None but candle's own.
    pub fn state(&self) -> Result<SearcherState, NnError> {
        let (running, batches) = self.net.parameters().running();
        Ok(SearcherState {
            weights: self.net.parameters().values()?,
            running,
            batches,
            alphas: self.alphas()?.to_vec(),
            momentum: self.sgd.momentum.values()?.into_owned(),
            adam_steps: self.adam.steps,
            adam_first: self.adam.first.clone(),
            adam_second: self.adam.second.clone(),
        })
    }

    /// Puts a state back.
    ///
    /// # Errors
    /// A state of another network; nothing is changed then.
    pub fn restore(&mut self, state: SearcherState) -> Result<(), NnError> {
        let own = self.net.parameters();
        let tables = |v: &[Vec<f32>], optional: bool| {
            (optional && v.is_empty()) || (v.len() == 2 && v.iter().all(|t| t.len() == EDGES * OPERATIONS))
        };
        let sound = own.fit(&state.weights)
            && (state.momentum.is_empty() || own.fit(&state.momentum))
            && tables(&state.alphas, false)
            && tables(&state.adam_first, true)
            && tables(&state.adam_second, true);
        if !sound {
            return Err(NnError::Weights("the saved state belongs to another network".into()));
        }
        self.net.parameters().restore_running(state.running, state.batches)?;
        self.net.parameters().set_values(state.weights)?;
        self.set_alphas([&state.alphas[0], &state.alphas[1]])?;
        self.sgd.momentum.set(state.momentum);
        (self.adam.steps, self.adam.first, self.adam.second) = (state.adam_steps, state.adam_first, state.adam_second);
        Ok(())
    }
}
