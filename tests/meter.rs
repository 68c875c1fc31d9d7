//! The meter of peak memory, alone in its process.

use zonas::device::Meter;

#[test]
fn a_meter_sees_what_is_used() {
    let meter = Meter::begin();
    let block = vec![1u8; 64 << 20];
    std::hint::black_box(&block);
    match meter.peak_over_start() {
        Some(peak) => assert!((60 << 20..80 << 20).contains(&peak), "{peak}"),
        None => println!("skipped: this system does not tell the peak"),
    }
}
