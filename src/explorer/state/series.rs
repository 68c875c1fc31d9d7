//! Curves of any length in bounded memory: neighbouring points are merged, extremes kept.

/// Points that were merged into one: their span, and their lowest, highest and last value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    pub from: f64,
    pub to: f64,
    pub low: f64,
    pub high: f64,
    pub sum: f64,
    pub count: u32,
}

impl Bucket {
    /// One point.
    pub const fn point(x: f64, y: f64) -> Bucket {
        Bucket { from: x, to: x, low: y, high: y, sum: y, count: 1 }
    }

    pub fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }

    pub fn middle(&self) -> f64 {
        (self.from + self.to) / 2.0
    }
}

/// A curve of bounded length: when it is full, neighbours are merged two by two, which keeps the extremes. Values that
/// are not finite are counted and left out.
#[derive(Clone, Debug, Default)]
pub struct Series {
    buckets: Vec<Bucket>,
    /// Points that a new bucket takes in before the next begins.
    per_bucket: u32,
    last: Option<(f64, f64)>,
    /// About what lies between two points that belong together.
    stride: f64,
    /// The first x after each time in which nothing was told.
    breaks: Vec<f64>,
    broken: bool,
    /// Points that were NaN or infinite.
    pub undefined: u64,
}

impl Series {
    /// Buckets kept at most: more than any terminal has columns of dots.
    pub const CAPACITY: usize = 1024;

    pub fn push(&mut self, x: f64, y: f64) {
        if !x.is_finite() || !y.is_finite() {
            self.undefined += 1;
            return;
        }
        if let (Some((before, _)), false) = (self.last, self.broken) {
            self.stride = (x - before).max(self.stride / 2.0);
        }
        self.last = Some((x, y));
        let per_bucket = self.per_bucket.max(1);
        let broken = std::mem::take(&mut self.broken) && !self.buckets.is_empty();
        if broken && self.breaks.len() < Self::CAPACITY / 4 {
            self.breaks.push(x);
        }
        match self.buckets.last_mut() {
            Some(b) if b.count < per_bucket && self.breaks.last() != Some(&x) => {
                b.to = x;
                b.low = b.low.min(y);
                b.high = b.high.max(y);
                b.sum += y;
                b.count += 1;
            }
            _ => {
                if self.buckets.len() == Self::CAPACITY {
                    self.thin();
                }
                self.buckets.push(Bucket { from: x, to: x, low: y, high: y, sum: y, count: 1 });
            }
        }
    }

    /// Nothing is known from the latest point to the next: no line joins them.
    pub fn interrupt(&mut self) {
        self.broken = true;
    }

    /// The curve in pieces, each without a gap.
    pub fn parts(&self) -> Vec<&[Bucket]> {
        let mut rest = &self.buckets[..];
        let mut parts = Vec::new();
        for x in &self.breaks {
            let (part, after) = rest.split_at(rest.partition_point(|b| b.from < *x));
            parts.push(part);
            rest = after;
        }
        parts.push(rest);
        parts.retain(|p| !p.is_empty());
        parts
    }

    fn thin(&mut self) {
        let pair = |pair: &[Bucket]| {
            pair.iter().skip(1).fold(pair[0], |a, b| Bucket {
                from: a.from,
                to: b.to,
                low: a.low.min(b.low),
                high: a.high.max(b.high),
                sum: a.sum + b.sum,
                count: a.count + b.count,
            })
        };
        // Never across a gap.
        self.buckets = self.parts().iter().flat_map(|part| part.chunks(2).map(pair)).collect();
        self.per_bucket = self.per_bucket.max(1) * 2;
    }

    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The latest point, unmerged.
    pub fn last(&self) -> Option<(f64, f64)> {
        self.last
    }

    /// About what lay between the latest points without a gap; 0 where that is not known yet.
    pub fn last_stride(&self) -> f64 {
        self.stride
    }

    /// Lowest and highest value.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.buckets.iter().map(|b| (b.low, b.high)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// First and last x.
    pub fn span(&self) -> Option<(f64, f64)> {
        Some((self.buckets.first()?.from, self.buckets.last()?.to))
    }

    /// Forgets everything from `x` on: a run that was resumed repeats the steps since its checkpoint.
    pub fn truncate_from(&mut self, x: f64) {
        while self.buckets.last().is_some_and(|b| b.to >= x) {
            self.buckets.pop();
        }
        self.breaks.retain(|b| *b < x);
        self.last = self.buckets.last().map(|b| (b.to, b.mean()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_extremes_count_and_span() {
        let mut s = Series::default();
        for i in 0..100_000 {
            let y = match i {
                41_111 => 50.0,
                77_777 => -9.0,
                _ => f64::from(i % 7),
            };
            s.push(f64::from(i), y);
        }
        s.push(f64::NAN, 1.0);
        s.push(3.0, f64::INFINITY);
        assert!(s.buckets().len() <= Series::CAPACITY);
        assert_eq!(s.range(), Some((-9.0, 50.0)));
        assert_eq!(s.span(), Some((0.0, 99_999.0)));
        assert_eq!(s.buckets().iter().map(|b| u64::from(b.count)).sum::<u64>(), 100_000);
        assert_eq!(s.undefined, 2);
        assert_eq!(s.last(), Some((99_999.0, f64::from(99_999 % 7))));
    }

    #[test]
    fn a_gap_stays_a_gap_however_much_is_merged() {
        let mut s = Series::default();
        for i in 0..10_000 {
            if i == 500 || i == 9_001 {
                s.interrupt();
            }
            s.push(f64::from(i), 1.0);
        }
        let spans: Vec<(f64, f64)> = s.parts().iter().map(|p| (p[0].from, p.last().unwrap().to)).collect();
        assert_eq!(spans, [(0.0, 499.0), (500.0, 9_000.0), (9_001.0, 9_999.0)]);
        // Gaps at every point are too many to keep, and do no harm.
        let mut s = Series::default();
        for i in 0..10_000 {
            s.interrupt();
            s.push(f64::from(i), 1.0);
        }
        assert!(s.buckets().len() <= Series::CAPACITY);
        s.truncate_from(4.0);
        assert_eq!(s.parts().len(), s.buckets().len().max(1));
    }

    #[test]
    fn repeated_steps_replace_what_they_repeat() {
        let mut s = Series::default();
        for i in 0..10 {
            s.push(f64::from(i), 1.0);
        }
        s.truncate_from(6.0);
        assert_eq!(s.span(), Some((0.0, 5.0)));
    }
}
