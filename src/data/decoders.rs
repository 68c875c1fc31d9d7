//! The threads that decode pictures ahead of their use, apart from those that compute.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The threads, as many as those that compute in the place that asks first; `None` where they can't be started.
pub(super) fn pool() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let threads = rayon::current_num_threads();
    let start = || ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("decode-{i}")).build().ok();
    POOL.get_or_init(start).as_ref()
}
