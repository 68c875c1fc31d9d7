//! Pickles as they are found, and damaged or hostile ones.

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

/// What Python 3 and numpy 2 write for
/// `{"data": np.array([[0, 10, 200]], np.uint8), "labels": [np.int64(3), np.int64(-4)], "seen": {"a": {1}, "big": 2**80,
/// "when": datetime.date(2020, 1, 1), "map": OrderedDict(k=1.5)}, "label_names": np.array(["ä", "b"])}`.
const WRITTEN: [&[u8]; 6] = [
    b"(dp0\nVdata\np1\ncnumpy._core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nc_codecs\nencode\np5\n(Vb\np6\nVlatin1\np7\ntp8\nRp9\ntp10\nRp11\n(I1\n(I1\nI3\ntp12\ncnumpy\ndtype\np13\n(Vu1\np14\nI00\nI01\ntp15\nRp16\n(I3\nV|\np17\nNNNI-1\nI-1\nI0\ntp18\nbI00\ng5\n(V\\u0000\\u000a\xc8\np19\ng7\ntp20\nRp21\ntp22\nbsVlabels\np23\n(lp24\ncnumpy._core.multiarray\nscalar\np25\n(g13\n(Vi8\np26\nI00\nI01\ntp27\nRp28\n(I3\nV<\np29\nNNNI-1\nI-1\nI0\ntp30\nbg5\n(V\x03\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\np31\ng7\ntp32\nRp33\ntp34\nRp35\nag25\n(g28\ng5\n(V\xfc\xff\xff\xff\xff\xff\xff\xff\np36\ng7\ntp37\nRp38\ntp39\nRp40\nasVseen\np41\n(dp42\nVa\np43\nc__builtin__\nset\np44\n((lp45\nI1\natp46\nRp47\nsVbig\np48\nL1208925819614629174706176L\nsVwhen\np49\ncdatetime\ndate\np50\n(g5\n(V\x07\xe4\x01\x01\np51\ng7\ntp52\nRp53\ntp54\nRp55\nsVmap\np56\nccollections\nOrderedDict\np57\n(tRp58\nVk\np59\nF1.5\nsssVlabel_names\np60\ng2\n(g3\n(I0\ntp61\ng9\ntp62\nRp63\n(I1\n(I2\ntp64\ng13\n(VU1\np65\nI00\nI01\ntp66\nRp67\n(I3\ng29\nNNNI4\nI4\nI8\ntp68\nbI00\ng5\n(V\xe4\\u0000\\u0000\\u0000b\\u0000\\u0000\\u0000\np69\ng7\ntp70\nRp71\ntp72\nbs.",
    b"}q\x00(X\x04\x00\x00\x00dataq\x01cnumpy._core.multiarray\n_reconstruct\nq\x02(cnumpy\nndarray\nq\x03(K\x00tq\x04c_codecs\nencode\nq\x05(X\x01\x00\x00\x00bq\x06X\x06\x00\x00\x00latin1q\x07tq\x08Rq\x09tq\nRq\x0b(K\x01(K\x01K\x03tq\x0ccnumpy\ndtype\nq\x0d(X\x02\x00\x00\x00u1q\x0eI00\nI01\ntq\x0fRq\x10(K\x03X\x01\x00\x00\x00|q\x11NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x12bI00\nh\x05(X\x04\x00\x00\x00\x00\n\xc3\x88q\x13h\x07tq\x14Rq\x15tq\x16bX\x06\x00\x00\x00labelsq\x17]q\x18(cnumpy._core.multiarray\nscalar\nq\x19(h\x0d(X\x02\x00\x00\x00i8q\x1aI00\nI01\ntq\x1bRq\x1c(K\x03X\x01\x00\x00\x00<q\x1dNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x1ebh\x05(X\x08\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00q\x1fh\x07tq Rq!tq\"Rq#h\x19(h\x1ch\x05(X\x10\x00\x00\x00\xc3\xbc\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbfq$h\x07tq%Rq&tq'Rq(eX\x04\x00\x00\x00seenq)}q*(X\x01\x00\x00\x00aq+c__builtin__\nset\nq,(]q-K\x01atq.Rq/X\x03\x00\x00\x00bigq0L1208925819614629174706176L\nX\x04\x00\x00\x00whenq1cdatetime\ndate\nq2(h\x05(X\x05\x00\x00\x00\x07\xc3\xa4\x01\x01q3h\x07tq4Rq5tq6Rq7X\x03\x00\x00\x00mapq8ccollections\nOrderedDict\nq9)Rq:X\x01\x00\x00\x00kq;G?\xf8\x00\x00\x00\x00\x00\x00suX\x0b\x00\x00\x00label_namesq<h\x02(h\x03(K\x00tq=h\x09tq>Rq?(K\x01(K\x02tq@h\x0d(X\x02\x00\x00\x00U1qAI00\nI01\ntqBRqC(K\x03h\x1dNNNK\x04K\x04K\x08tqDbI00\nh\x05(X\x09\x00\x00\x00\xc3\xa4\x00\x00\x00b\x00\x00\x00qEh\x07tqFRqGtqHbu.",
    b"\x80\x02}q\x00(X\x04\x00\x00\x00dataq\x01cnumpy._core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04c_codecs\nencode\nq\x05X\x01\x00\x00\x00bq\x06X\x06\x00\x00\x00latin1q\x07\x86q\x08Rq\x09\x87q\nRq\x0b(K\x01K\x01K\x03\x86q\x0ccnumpy\ndtype\nq\x0dX\x02\x00\x00\x00u1q\x0e\x89\x88\x87q\x0fRq\x10(K\x03X\x01\x00\x00\x00|q\x11NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x12b\x89h\x05X\x04\x00\x00\x00\x00\n\xc3\x88q\x13h\x07\x86q\x14Rq\x15tq\x16bX\x06\x00\x00\x00labelsq\x17]q\x18(cnumpy._core.multiarray\nscalar\nq\x19h\x0dX\x02\x00\x00\x00i8q\x1a\x89\x88\x87q\x1bRq\x1c(K\x03X\x01\x00\x00\x00<q\x1dNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x1ebh\x05X\x08\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00q\x1fh\x07\x86q Rq!\x86q\"Rq#h\x19h\x1ch\x05X\x10\x00\x00\x00\xc3\xbc\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbfq$h\x07\x86q%Rq&\x86q'Rq(eX\x04\x00\x00\x00seenq)}q*(X\x01\x00\x00\x00aq+c__builtin__\nset\nq,]q-K\x01a\x85q.Rq/X\x03\x00\x00\x00bigq0\x8a\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01X\x04\x00\x00\x00whenq1cdatetime\ndate\nq2h\x05X\x05\x00\x00\x00\x07\xc3\xa4\x01\x01q3h\x07\x86q4Rq5\x85q6Rq7X\x03\x00\x00\x00mapq8ccollections\nOrderedDict\nq9)Rq:X\x01\x00\x00\x00kq;G?\xf8\x00\x00\x00\x00\x00\x00suX\x0b\x00\x00\x00label_namesq<h\x02h\x03K\x00\x85q=h\x09\x87q>Rq?(K\x01K\x02\x85q@h\x0dX\x02\x00\x00\x00U1qA\x89\x88\x87qBRqC(K\x03h\x1dNNNK\x04K\x04K\x08tqDb\x89h\x05X\x09\x00\x00\x00\xc3\xa4\x00\x00\x00b\x00\x00\x00qEh\x07\x86qFRqGtqHbu.",
    b"\x80\x03}q\x00(X\x04\x00\x00\x00dataq\x01cnumpy._core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04C\x01bq\x05\x87q\x06Rq\x07(K\x01K\x01K\x03\x86q\x08cnumpy\ndtype\nq\x09X\x02\x00\x00\x00u1q\n\x89\x88\x87q\x0bRq\x0c(K\x03X\x01\x00\x00\x00|q\x0dNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89C\x03\x00\n\xc8q\x0ftq\x10bX\x06\x00\x00\x00labelsq\x11]q\x12(cnumpy._core.multiarray\nscalar\nq\x13h\x09X\x02\x00\x00\x00i8q\x14\x89\x88\x87q\x15Rq\x16(K\x03X\x01\x00\x00\x00<q\x17NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x18bC\x08\x03\x00\x00\x00\x00\x00\x00\x00q\x19\x86q\x1aRq\x1bh\x13h\x16C\x08\xfc\xff\xff\xff\xff\xff\xff\xffq\x1c\x86q\x1dRq\x1eeX\x04\x00\x00\x00seenq\x1f}q (X\x01\x00\x00\x00aq!cbuiltins\nset\nq\"]q#K\x01a\x85q$Rq%X\x03\x00\x00\x00bigq&\x8a\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01X\x04\x00\x00\x00whenq'cdatetime\ndate\nq(C\x04\x07\xe4\x01\x01q)\x85q*Rq+X\x03\x00\x00\x00mapq,ccollections\nOrderedDict\nq-)Rq.X\x01\x00\x00\x00kq/G?\xf8\x00\x00\x00\x00\x00\x00suX\x0b\x00\x00\x00label_namesq0h\x02h\x03K\x00\x85q1h\x05\x87q2Rq3(K\x01K\x02\x85q4h\x09X\x02\x00\x00\x00U1q5\x89\x88\x87q6Rq7(K\x03h\x17NNNK\x04K\x04K\x08tq8b\x89C\x08\xe4\x00\x00\x00b\x00\x00\x00q9tq:bu.",
    b"\x80\x04\x95\xce\x01\x00\x00\x00\x00\x00\x00}\x94(\x8c\x04data\x94\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K\x01K\x03\x86\x94h\x05\x8c\x05dtype\x94\x93\x94\x8c\x02u1\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01|\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89C\x03\x00\n\xc8\x94t\x94b\x8c\x06labels\x94]\x94(h\x02\x8c\x06scalar\x94\x93\x94h\x0e\x8c\x02i8\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bC\x08\x03\x00\x00\x00\x00\x00\x00\x00\x94\x86\x94R\x94h\x19h\x1cC\x08\xfc\xff\xff\xff\xff\xff\xff\xff\x94\x86\x94R\x94e\x8c\x04seen\x94}\x94(\x8c\x01a\x94\x8f\x94(K\x01\x90\x8c\x03big\x94\x8a\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x8c\x04when\x94\x8c\x08datetime\x94\x8c\x04date\x94\x93\x94C\x04\x07\xe4\x01\x01\x94\x85\x94R\x94\x8c\x03map\x94\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01k\x94G?\xf8\x00\x00\x00\x00\x00\x00su\x8c\x0blabel_names\x94h\x04h\x07K\x00\x85\x94h\x09\x87\x94R\x94(K\x01K\x02\x85\x94h\x0e\x8c\x02U1\x94\x89\x88\x87\x94R\x94(K\x03h\x1dNNNK\x04K\x04K\x08t\x94b\x89C\x08\xe4\x00\x00\x00b\x00\x00\x00\x94t\x94bu.",
    b"\x80\x05\x95\xcb\x01\x00\x00\x00\x00\x00\x00}\x94(\x8c\x04data\x94\x8c\x13numpy._core.numeric\x94\x8c\x0b_frombuffer\x94\x93\x94(\x96\x03\x00\x00\x00\x00\x00\x00\x00\x00\n\xc8\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02u1\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01|\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bK\x01K\x03\x86\x94\x8c\x01C\x94t\x94R\x94\x8c\x06labels\x94]\x94(\x8c\x16numpy._core.multiarray\x94\x8c\x06scalar\x94\x93\x94h\x08\x8c\x02i8\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bC\x08\x03\x00\x00\x00\x00\x00\x00\x00\x94\x86\x94R\x94h\x16h\x19C\x08\xfc\xff\xff\xff\xff\xff\xff\xff\x94\x86\x94R\x94e\x8c\x04seen\x94}\x94(\x8c\x01a\x94\x8f\x94(K\x01\x90\x8c\x03big\x94\x8a\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x8c\x04when\x94\x8c\x08datetime\x94\x8c\x04date\x94\x93\x94C\x04\x07\xe4\x01\x01\x94\x85\x94R\x94\x8c\x03map\x94\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01k\x94G?\xf8\x00\x00\x00\x00\x00\x00su\x8c\x0blabel_names\x94h\x04(\x96\x08\x00\x00\x00\x00\x00\x00\x00\xe4\x00\x00\x00b\x00\x00\x00\x94h\x08\x8c\x02U1\x94\x89\x88\x87\x94R\x94(K\x03h\x1aNNNK\x04K\x04K\x08t\x94bK\x02\x85\x94h\x0ft\x94R\x94u.",
];

#[test]
fn every_protocol_with_what_is_needed_and_what_is_not() {
    for (protocol, file) in WRITTEN.iter().enumerate() {
        let pickle = Pickle::read(file).unwrap_or_else(|problem| panic!("protocol {protocol}: {problem:?}"));
        let root = pickle.root();
        assert_eq!(root.require("data").unwrap().byte_rows(3).unwrap(), [0, 10, 200], "protocol {protocol}");
        let labels = root.require("labels").unwrap().integers().unwrap();
        assert_eq!(labels.iter().map(|(label, _)| *label).collect::<Vec<_>>(), [3, -4], "protocol {protocol}");
        assert_eq!(root.require("label_names").unwrap().names(2).unwrap(), ["ä", "b"], "protocol {protocol}");
        let seen = root.require("seen").unwrap();
        let big = seen.require("big").unwrap();
        assert!(big.integers().unwrap_err().reason.contains("an integer of more than 8 bytes"), "protocol {protocol}");
        let odd = seen.require("when").unwrap().integers().unwrap_err().reason;
        assert!(odd.contains("unknown"), "protocol {protocol}: {odd}");
    }
}
