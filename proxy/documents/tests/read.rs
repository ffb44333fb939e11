//! The program as the gateway starts it: documents in, words or an exit code out, whatever the document is made to do.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn read(kind: &str, document: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_penstock-documents"))
        .arg(kind)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    // it may end before it has taken everything
    let _ = input.write_all(document);
    drop(input);
    child.wait_with_output().expect("it ends")
}

fn words(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("words are UTF-8")
}

/// A PDF of these objects, numbered from 1, the first of which is its catalogue.
fn of_objects(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in (1..).zip(objects) {
        places.push(file.len());
        file.extend_from_slice(format!("{number} 0 obj").as_bytes());
        file.extend_from_slice(object);
        file.extend_from_slice(b"endobj\n");
    }
    let table = file.len();
    let mut end = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        end.push_str(&format!("{place:010} 00000 n \n"));
    }
    end.push_str(&format!(
        "trailer<</Size {}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF",
        objects.len() + 1
    ));
    file.extend_from_slice(end.as_bytes());
    file
}

/// Pages with a line each.
fn pages(lines: &[&str]) -> Vec<u8> {
    let kids: Vec<String> = (0..lines.len())
        .map(|page| format!("{} 0 R", 4 + 2 * page))
        .collect();
    let mut objects = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        format!("<</Type/Pages/Kids[{}]/Count {}>>", kids.join(" "), lines.len()).into_bytes(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_vec(),
    ];
    for (page, line) in lines.iter().enumerate() {
        let stream = format!("BT /F1 12 Tf 72 720 Td ({line}) Tj ET");
        objects.push(
            format!(
                "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {} 0 R/Resources<</Font<</F1 3 0 R>>>>>>",
                5 + 2 * page
            )
            .into_bytes(),
        );
        objects.push(format!("<</Length {}>>stream\n{stream}\nendstream", stream.len()).into_bytes());
    }
    of_objects(&objects)
}

fn replaced(document: &[u8], what: &str, with: &str) -> Vec<u8> {
    let text = String::from_utf8(document.to_vec()).expect("it is ASCII");
    assert!(text.contains(what), "{what}");
    text.replace(what, with).into_bytes()
}

#[test]
fn the_words_of_every_page_are_read() {
    let output = read("pdf", &pages(&["Revenue rose.", "Costs fell."]));
    assert_eq!(output.status.code(), Some(0));
    let words = words(&output);
    assert!(words.find("Revenue rose.") < words.find("Costs fell."), "{words}");
}

#[test]
fn a_page_that_cannot_be_read_does_not_take_the_others_with_it() {
    let document = replaced(&pages(&["Lost.", "Kept."]), "/Contents 5 0 R", "/Contents 1 0 R");
    let output = read("pdf", &document);
    assert!(
        matches!(output.status.code(), Some(0 | 10)),
        "{:?}",
        output.status
    );
    assert!(words(&output).contains("Kept."));
}

#[test]
fn a_page_without_words_has_none() {
    assert_eq!(read("pdf", &pages(&[""])).status.code(), Some(12));
}

#[test]
fn a_web_page_gives_its_words_without_its_scripts() {
    let page = b"<html><head><style>p{color:red}</style><script>alert(1)</script></head><body><h1>Title</h1><p>One &amp; two.</p></body></html>";
    let output = read("html", page);
    assert_eq!(output.status.code(), Some(0));
    let words = words(&output);
    assert!(words.contains("Title") && words.contains("One & two."), "{words}");
    assert!(!words.contains("alert") && !words.contains("color"), "{words}");
}

#[test]
fn what_is_made_to_break_it_ends_it_with_no_words() {
    let good = pages(&["fine"]);
    for hostile in [
        replaced(&good, "/Kids[4 0 R]", "/Kids[2 0 R]"),
        replaced(&good, "/MediaBox[0 0 612 792]", "/MediaBox[0]"),
        good[..good.len() / 2].to_vec(),
        [b"%PDF-1.7\n".as_slice(), &b"[".repeat(1 << 20)].concat(),
        [b"%PDF-1.7\n".as_slice(), &b"<<".repeat(1 << 20)].concat(),
        b"\x7fELF".to_vec(),
        Vec::new(),
    ] {
        let output = read("pdf", &hostile);
        assert!(
            !matches!(output.status.code(), Some(0 | 10)),
            "{:?}",
            output.status
        );
        assert!(output.stdout.is_empty());
    }
    let deep = [b"<html><body>".as_slice(), &b"<div>".repeat(200_000), b"x"].concat();
    // however it ends, it ends
    let _ = read("html", &deep);
}

#[test]
fn a_small_document_that_unpacks_to_a_large_one_ends_at_the_limit_of_memory() {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..2048 {
        packed.write_all(&blanks).expect("memory");
    }
    let packed = packed.finish().expect("memory");
    let mut stream = format!("<</Length {}/Filter/FlateDecode>>stream\n", packed.len()).into_bytes();
    stream.extend_from_slice(&packed);
    stream.extend_from_slice(b"\nendstream ");
    let bomb = of_objects(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<<>>>>".to_vec(),
        stream,
    ]);
    let output = read("pdf", &bomb);
    assert!(
        !matches!(output.status.code(), Some(0 | 10)),
        "{:?}",
        output.status
    );
    assert!(output.stdout.is_empty());
}
