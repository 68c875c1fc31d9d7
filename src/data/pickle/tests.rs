use flate2::read::GzDecoder;
use std::io::Read;

use super::Pickle;

const ARRAY: &[u8] = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR";

/// `data` as an array of 2 x 3 bytes, with a type and a string of values to choose.
fn array(kind: &str, values: &str) -> Vec<u8> {
    let text = |text: &str| [b"U", &[text.len() as u8][..], text.as_bytes()].concat();
    let kind =
        [b"cnumpy\ndtype\n(", &text(kind)[..], b"K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"];
    let state = [b"(K\x01(K\x02K\x03t", &kind.concat()[..], b"I00\n", &text(values), b"tb"].concat();
    [b"}", &text("data")[..], ARRAY, &state, b"s."].concat()
}

fn rows(file: &[u8]) -> Result<Vec<u8>, String> {
    let say = |problem: super::Problem| format!("{}: {}", problem.offset, problem.reason);
    let pickle = Pickle::read(file).map_err(say)?;
    let rows = pickle.root().require("data").map_err(say)?.byte_rows(3).map_err(say)?.to_vec();
    Ok(rows)
}

fn integers(file: &[u8]) -> Result<Vec<i64>, String> {
    let pickle = Pickle::read(file).map_err(|problem| problem.reason)?;
    let values = pickle.root().integers().map_err(|problem| problem.reason)?;
    Ok(values.into_iter().map(|(value, _)| value).collect())
}

#[test]
fn every_form_of_integer_and_container() {
    let expected = vec![5, 300, -2, 7, -8, 1 << 40, 0, -1];
    let items = b"K\x05M\x2c\x01J\xfe\xff\xff\xffI7\nL-8L\n\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x00\x8a\x01\xff";
    assert_eq!(integers(&[b"](", &items[..], b"e."].concat()).unwrap(), expected);
    assert_eq!(integers(&[b"(", &items[..], b"l."].concat()).unwrap(), expected);
    assert_eq!(integers(&[b"(", &items[..], b"t."].concat()).unwrap(), expected);
    assert_eq!(integers(b"]K\x01aK\x02a.").unwrap(), [1, 2]);
    assert_eq!(integers(b"K\x01K\x02K\x03\x87.").unwrap(), [1, 2, 3]);
    // Memo: the same list by its number, in all forms.
    assert_eq!(integers(b"]q\x07K\x04a0h\x07.").unwrap(), [4]);
    assert_eq!(integers(b"(K\x04q\x01r\x00\x01\x00\x00p9\n\x94h\x01j\x00\x01\x00\x00g9\nh\x03t.").unwrap(), [4; 5]);
    // Dictionaries: the last value of a key counts, keys of either type of string.
    let pickle = Pickle::read(b"(U\x01aK\x01X\x01\x00\x00\x00aK\x02C\x01bK\x03d.").unwrap();
    let root = pickle.root();
    assert!(root.get("a").unwrap().is_some_and(|item| matches!(item.value(), super::Value::Int(2))));
    assert!(root.get("b").unwrap().is_some() && root.get("c").unwrap().is_none());
}

#[test]
fn integer_arrays_of_any_width() {
    // numpy.dtype(kind), built with a byte order, and a buffer.
    let file = |kind: &str, order: &str, count: u8, bytes: &[u8]| {
        let dtype =
            [b"cnumpy\ndtype\nU\x02", kind.as_bytes(), b"K\x00K\x01\x87R(K\x03U\x01", order.as_bytes(), b"NNNtb"]
                .concat();
        let buffer = [b"C", &[bytes.len() as u8][..], bytes].concat();
        [b"cnumpy._core.numeric\n_frombuffer\n(", &buffer[..], &dtype, b"K", &[count], b"\x85U\x01CtR."].concat()
    };
    assert_eq!(integers(&file("i2", "<", 2, &[0xfe, 0xff, 1, 2])).unwrap(), [-2, 513]);
    assert_eq!(integers(&file("i2", ">", 2, &[0xff, 0xfe, 1, 2])).unwrap(), [-2, 258]);
    assert_eq!(integers(&file("u1", "|", 2, &[200, 3])).unwrap(), [200, 3]);
    assert_eq!(integers(&file("i8", "<", 1, &[0xff; 8])).unwrap(), [-1]);
    assert!(integers(&file("f8", "<", 1, &[0; 8])).unwrap_err().contains("not of integers"));
    assert!(integers(&file("i8", "<", 2, &[0; 8])).unwrap_err().contains("2 values of 8 bytes has 8 bytes"));
}

#[test]
fn what_is_not_data_is_refused() {
    assert_eq!(rows(&array("u1", "abcdef")).unwrap(), b"abcdef");
    let cases: &[(Vec<u8>, &str)] = &[
        (array("u1", "abcde"), "an array of 2 x 3 values of 1 bytes has 5 bytes"),
        (array("f4", "abcdefabcdefabcdefabcdef"), "not of unsigned bytes"),
        (array("O8", "abcdef"), "an array was expected, this is an array of values that are not read"),
        (b"cos\nsystem\n(U\x04trueR.".to_vec(), "0: the pickle asks for the code `os.system`"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.".to_vec(), "the code `builtins.eval`"),
        (b"cnumpy\nload\n.".to_vec(), "`numpy.load`"),
        (b"c__builtin__\ngetattr\n.".to_vec(), "`__builtin__.getattr`"),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00zliptR.".to_vec(), "other than latin1"),
        (b"c_codecs\nencode\n(X\x03\x00\x00\x00\xe2\x82\xacX\x06\x00\x00\x00latin1tR.".to_vec(), "not latin1"),
        (b"cnumpy\nndarray\n)R.".to_vec(), "arguments that it does not take"),
        (b"K\x01)R.".to_vec(), "3: an integer is called"),
        (b"}K\x01\x85b.".to_vec(), "a dictionary is given a state"),
        (b"(ios\nsystem\n.".to_vec(), "1: the pickle asks for the code `os.system`"),
        (b"P1\n.".to_vec(), "0: opcode 0x50"),
        (b"\x80\x06.".to_vec(), "protocol 6"),
        (b"\x95\xff\xff\xff\xff\xff\xff\xff\xff.".to_vec(), "a frame"),
        (b"T\xff\xff\xff\xff.".to_vec(), "torn"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.".to_vec(), "torn"),
        (b"\x8a\x09123456789.".to_vec(), "an integer of more than 8 bytes"),
        (b"Ixyz\n.".to_vec(), "`xyz` is no integer"),
        (b"h\x05.".to_vec(), "memo 5 was never set"),
        (b"q\x05.".to_vec(), "the stack is empty"),
        (b"K\x01(a.".to_vec(), "the stack is empty"),
        (b"e.".to_vec(), "no mark"),
        (b"K\x01(K\x02e.".to_vec(), "appended to an integer"),
        (b"](K\x01d.".to_vec(), "has no value"),
        (b"K\x01K\x02.".to_vec(), "left over"),
        (b"K\x01.x".to_vec(), "1 bytes follow"),
        (b"K\x01".to_vec(), "torn"),
        (b"".to_vec(), "torn"),
        (b"].".to_vec(), "0: a dictionary was expected, this is a list"),
        (b"}.".to_vec(), "no `data`"),
    ];
    for (file, reason) in cases {
        let error = rows(file).unwrap_err();
        assert!(error.contains(reason), "{}: `{error}` does not say `{reason}`", file.escape_ascii());
    }
}

/// Programs that would cost a naive reader its memory, its stack or its time.
#[test]
fn small_programs_with_large_effects_are_bounded() {
    // A million lists, each in the next: read (it is data), and dropped without recursion.
    let deep = [vec![b']'; 1_000_000], vec![b'a'; 999_999], vec![b'.']].concat();
    assert!(rows(&deep).unwrap_err().contains("a dictionary was expected"));
    let many = [vec![b'('], vec![b'N'; 2_000_000], b"t.".to_vec()].concat();
    assert!(rows(&many).unwrap_err().contains("more than 1048576 values"));
    // A long string, copied a thousand times.
    let long = vec![b'a'; 1 << 20];
    let make =
        [b"X", &(1u32 << 20).to_le_bytes()[..], &long, b"q\x00X\x06\x00\x00\x00latin1q\x01c_codecs\nencode\nq\x02"]
            .concat();
    let copies = [make, b"h\x02h\x00h\x01\x86R".repeat(1000), b".".to_vec()].concat();
    assert!(rows(&copies).unwrap_err().contains("copied over and over"));
    // A long tuple, given to numpy a thousand times.
    let make = [b"(".to_vec(), b"N".repeat(1 << 19), b"tq\x00cnumpy\ndtype\nq\x01".to_vec()].concat();
    let calls = [make, b"h\x01h\x00R".repeat(1000), b".".to_vec()].concat();
    assert!(rows(&calls).unwrap_err().contains("a tuple of 524288 values for numpy"));
    // A list inside itself.
    assert!(rows(b"]q\x00h\x00a.").is_err());
}

/// Real files with bytes cut off or changed: read or refused, never a panic, and never read when torn.
#[test]
fn torn_and_damaged_files() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/imagenet16-mini.tar.gz");
    let mut archive = tar::Archive::new(GzDecoder::new(std::fs::File::open(fixture).unwrap()));
    let mut seen = 0;
    for entry in archive.entries().unwrap().take(4) {
        let mut file = Vec::new();
        entry.unwrap().read_to_end(&mut file).unwrap();
        Pickle::read(&file).unwrap();
        for length in (0..file.len()).step_by(13).chain(0..300).chain(file.len() - 300..file.len()) {
            assert!(Pickle::read(&file[..length]).is_err(), "{length} bytes were enough");
        }
        for at in (0..400).chain(file.len() - 400..file.len()) {
            for change in [1, 0x20, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[at] ^= change;
                if let Ok(pickle) = Pickle::read(&damaged) {
                    let _ = pickle.root().get("data").map(|item| item.map(|item| item.byte_rows(768).map(<[u8]>::len)));
                    let _ = pickle.root().get("labels").map(|item| item.map(|item| item.integers()));
                }
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 4 * 800 * 4);
}
