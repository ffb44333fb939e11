//! Embeddings: recorded ones through every dialect, and by hand what each can say. Numbers stay the same numbers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use penstock_llm::embed::{
    Answer, CODECS, Codec, Data, Dialect, Embedding, Encoding, Envelope, InputContent, Known, NumberKind,
    Request, Target, TaskKind, Vector,
};
use penstock_llm::model::{Asked, Content, ErrorKind, Source, Written};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::make::cases;
use crate::recorded::{Recording, recordings};

fn dialect_of(recording: &Recording) -> Option<Dialect> {
    match recording.api.as_str() {
        "openai.embeddings" if recording.name.contains("/voyage/") => Some(Dialect::Voyage),
        "openai.embeddings" => Some(Dialect::OpenAi),
        "cohere.embed" => Some(Dialect::Cohere),
        "gemini.embed" if recording.path.contains("batchEmbedContents") => Some(Dialect::GeminiBatch),
        "gemini.embed" => Some(Dialect::Gemini),
        _ => None,
    }
}

fn recorded() -> Vec<(Recording, &'static dyn Codec)> {
    let all = recordings().into_iter();
    all.filter_map(|recording| dialect_of(&recording).map(|dialect| (recording, dialect.codec())))
        .collect()
}

fn asked<'a>(model: &'a str, dialect: Dialect) -> Asked<'a> {
    let in_body = matches!(dialect, Dialect::OpenAi | Dialect::Voyage | Dialect::Cohere);
    Asked {
        model: (!in_body).then_some(model),
        ..Asked::default()
    }
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// Without members that are null, and in the names that this crate writes.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let renamed = |name: String| match name.as_str() {
                "inline_data" => "inlineData".to_owned(),
                "mime_type" => "mimeType".to_owned(),
                _ => name,
            };
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (renamed(name), plain(value))).collect()
        }
        Value::Array(elements) => elements.into_iter().map(plain).collect(),
        other => other,
    }
}

fn floats(vector: &Vector<'_>) -> Vec<u32> {
    match &vector.data {
        Data::Numbers(numbers) => {
            let numbers: Vec<Value> = serde_json::from_str(numbers.get()).expect("numbers");
            let bits = |number: &Value| number.to_string().parse::<f32>().expect("a number").to_bits();
            numbers.iter().map(bits).collect()
        }
        Data::Base64(text) => {
            let bytes = STANDARD.decode(text.get().as_bytes()).expect("base64");
            let bits = |four: &[u8]| u32::from_le_bytes(four.try_into().expect("four"));
            bytes.chunks(4).map(bits).collect()
        }
    }
}

fn all_floats(answer: &Answer<'_>) -> Vec<Vec<u32>> {
    let first = |embedding: &Embedding<'_>| floats(&embedding.vectors[0]);
    answer.embeddings.iter().map(first).collect()
}

fn texts(request: &Request<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for input in &request.inputs {
        match &input.content {
            InputContent::Text(text) => texts.push(text.get().into_owned()),
            InputContent::Tokens(tokens) => texts.push(tokens.get().to_owned()),
            InputContent::Parts(parts) => {
                for part in parts {
                    match &part.content {
                        Content::Text { text, .. } => texts.push(text.get().into_owned()),
                        Content::Media(media) => match &media.source {
                            Source::Base64(data) => texts.push(data.get().into_owned()),
                            other => panic!("{other:?}"),
                        },
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    }
    texts
}

#[test]
fn feature_a10_recorded_requests_ask_for_the_same_in_every_dialect() {
    let mut written_requests = 0;
    for (recording, from) in recorded() {
        let asked_for = asked(&recording.model, from.dialect());
        let read = match from.read_request(&recording.request, &asked_for) {
            Ok(read) => read.value,
            Err(refused) => {
                // the provider refused it as well
                assert_eq!(recording.status, 400, "{}: {refused}", recording.name);
                continue;
            }
        };
        let target = Target::new(&recording.model);
        let own = from.write_request(&read, &target).expect(&recording.name);
        assert_eq!(
            plain(value(&own.bytes)),
            plain(value(&recording.request)),
            "{}",
            recording.name
        );
        assert!(own.losses.is_empty(), "{}: {:?}", recording.name, own.losses);
        for to in CODECS {
            let most = to.most_inputs().unwrap_or(usize::MAX);
            let mut again = Vec::new();
            for request in read.chunks(most) {
                let name = format!("{} as {}", recording.name, to.dialect().as_str());
                let Ok(written) = to.write_request(&request, &target) else {
                    assert!(recording.name.contains("image"), "{name}");
                    continue;
                };
                let asked = Asked {
                    model: Some(&recording.model),
                    ..Asked::default()
                };
                let back = to.read_request(&written.bytes, &asked).expect(&name).value;
                assert_eq!(back.dimensions, read.dimensions, "{name}");
                again.extend(texts(&back));
                written_requests += 1;
            }
            assert!(again.is_empty() || again == texts(&read), "{again:?}");
        }
    }
    println!("{written_requests} requests written");
}

#[test]
fn feature_a10_recorded_embeddings_are_the_same_numbers_in_every_dialect() {
    let mut written_answers = 0;
    for (recording, from) in recorded() {
        if recording.status >= 400 {
            continue;
        }
        let asked_for = asked(&recording.model, from.dialect());
        let request = from
            .read_request(&recording.request, &asked_for)
            .expect("a request")
            .value;
        let known = Known {
            encodings: &request.encodings,
            input_tokens: None,
        };
        let answer = from.read_answer(&recording.response, &known);
        let answer = answer
            .unwrap_or_else(|error| panic!("{}: {error:?}", recording.name))
            .value;
        let envelope = Envelope {
            id: "made",
            request: &request,
        };
        let own = from.write_answer(&answer, &envelope);
        assert_eq!(
            value(&own.bytes),
            value(&recording.response),
            "{}",
            recording.name
        );
        assert!(own.losses.is_empty(), "{}: {:?}", recording.name, own.losses);
        let numbers = all_floats(&answer);
        assert!(
            numbers.iter().all(|vector| vector.len() >= 128),
            "{}",
            recording.name
        );
        for to in CODECS {
            for encoding in [Encoding::FLOATS, Encoding::BASE64] {
                let name = format!("{} as {} {encoding:?}", recording.name, to.dialect().as_str());
                let mut caller = request.clone();
                caller.encodings = vec![encoding];
                let envelope = Envelope {
                    id: "made",
                    request: &caller,
                };
                let written = to.write_answer(&answer, &envelope);
                let known = Known {
                    encodings: &caller.encodings,
                    input_tokens: None,
                };
                let again = to.read_answer(&written.bytes, &known).expect(&name).value;
                assert_eq!(all_floats(&again), numbers, "{name}");
                let counted = |answer: &Answer<'_>| answer.usage.and_then(|usage| usage.input).unwrap_or(0);
                if to.dialect() != Dialect::BedrockCohere {
                    assert_eq!(counted(&again), counted(&answer), "{name}");
                }
                written_answers += 1;
            }
        }
    }
    println!("{written_answers} answers written");
}

#[test]
fn recorded_errors_of_embeddings_are_told() {
    for (recording, from) in recorded() {
        if recording.status < 400 {
            continue;
        }
        let status = u16::try_from(recording.status).expect("a status");
        let error = from.read_error(status, None, &recording.response);
        assert_eq!(error.status, status);
        assert!(!error.message.is_empty(), "{}", recording.name);
        for to in CODECS {
            let body = to.write_error(&error);
            let again = to.read_error(to.error_status(&error), None, &body);
            assert_eq!(again.message, error.message, "{}", recording.name);
        }
    }
}

fn carried(from: Dialect, to: Dialect, body: Value) -> Result<(Value, Vec<String>), String> {
    let bytes = body.to_string();
    let asked = asked("m", from);
    let read = from
        .codec()
        .read_request(bytes.as_bytes(), &asked)
        .map_err(|why| why.message)?;
    let written = to
        .codec()
        .write_request(&read.value, &Target::new("m"))
        .map_err(|why| why.message)?;
    let Written { bytes, losses, .. } = written;
    let lost = losses
        .list()
        .iter()
        .map(|loss| format!("{} {}", loss.what.as_str(), loss.at));
    Ok((value(&bytes), lost.collect()))
}

#[test]
fn what_an_embedding_is_for_goes_by_the_provider_s_word() {
    let (cohere, lost) = carried(
        Dialect::GeminiBatch,
        Dialect::Cohere,
        json!({"requests": [{"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY"}]}),
    )
    .expect("taken");
    assert_eq!(
        cohere,
        json!({"model": "m", "texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]})
    );
    assert!(lost.is_empty(), "{lost:?}");
    let (cohere, lost) = carried(
        Dialect::OpenAi,
        Dialect::Cohere,
        json!({"model": "x", "input": "a"}),
    )
    .expect("taken");
    assert_eq!(cohere["input_type"], "search_document");
    assert_eq!(lost, ["added input_type"]);
    let (gemini, lost) = carried(
        Dialect::Cohere,
        Dialect::GeminiBatch,
        json!({"model": "x", "texts": ["a", "b"], "input_type": "search_document", "output_dimension": 256,
            "truncate": "NONE"}),
    )
    .expect("taken");
    let one = |text: &str| {
        json!({"model": "models/m", "content": {"parts": [{"text": text}]}, "taskType": "RETRIEVAL_DOCUMENT",
            "outputDimensionality": 256})
    };
    assert_eq!(gemini, json!({"requests": [one("a"), one("b")]}));
    assert_eq!(lost, ["dropped truncate"]);
    let (voyage, lost) = carried(
        Dialect::Gemini,
        Dialect::Voyage,
        json!({"content": {"parts": [{"text": "a"}]}, "taskType": "QUESTION_ANSWERING", "title": "t"}),
    )
    .expect("taken");
    assert_eq!(voyage, json!({"model": "m", "input": "a", "input_type": "query"}));
    assert_eq!(lost, ["changed task", "dropped title"]);
    let read = Dialect::Cohere
        .codec()
        .read_request(
            br#"{"model":"m","texts":["a"],"input_type":"new_type"}"#,
            &Asked::default(),
        )
        .expect("unknown words are kept")
        .value;
    assert_eq!(read.task.expect("a task").kind, TaskKind::Other);
}

#[test]
fn inputs_with_different_purposes_keep_them_where_that_can_be_said() {
    let body = json!({"instances": [
        {"content": "a", "task_type": "RETRIEVAL_QUERY"},
        {"content": "b", "task_type": "RETRIEVAL_DOCUMENT", "title": "t"}],
        "parameters": {"autoTruncate": false, "outputDimensionality": 3}});
    let (same, lost) = carried(Dialect::VertexPredict, Dialect::VertexPredict, body.clone()).expect("taken");
    assert_eq!((same, lost.len()), (body.clone(), 0));
    let (batch, _) = carried(Dialect::VertexPredict, Dialect::GeminiBatch, body.clone()).expect("taken");
    assert_eq!(batch["requests"][0]["taskType"], "RETRIEVAL_QUERY");
    assert_eq!(batch["requests"][1]["title"], "t");
    let (cohere, lost) = carried(Dialect::VertexPredict, Dialect::Cohere, body).expect("taken");
    assert_eq!(cohere["truncate"], "NONE");
    assert_eq!(lost, ["changed task", "dropped title"]);
}

#[test]
fn tokens_go_to_those_alone_that_take_them() {
    for input in [json!([1, 2, 3]), json!([[1, 2], [3]])] {
        let body = json!({"model": "m", "input": input});
        let (same, lost) = carried(Dialect::OpenAi, Dialect::OpenAi, body.clone()).expect("taken");
        assert_eq!((same, lost.len()), (body.clone(), 0));
        for to in CODECS.iter().filter(|to| to.dialect() != Dialect::OpenAi) {
            let refused = carried(Dialect::OpenAi, to.dialect(), body.clone());
            assert!(refused.is_err(), "{refused:?}");
        }
    }
    for input in [
        json!([1, "a"]),
        json!([1.5]),
        json!([[1], [[2]]]),
        json!([[]]),
        json!([]),
        json!(7),
    ] {
        let body = json!({"model": "m", "input": input}).to_string();
        let read = Dialect::OpenAi
            .codec()
            .read_request(body.as_bytes(), &Asked::default());
        assert!(read.is_err(), "{body}");
    }
}

#[test]
fn images_go_as_each_spells_them() {
    let image = "data:image/png;base64,iVBORw0KGgo=";
    let body = json!({"model": "m", "inputs": [{"content": [{"type": "text", "text": "logo"},
        {"type": "image_url", "image_url": {"url": image}}]}], "input_type": "search_document"});
    let (same, lost) = carried(Dialect::Cohere, Dialect::Cohere, body.clone()).expect("taken");
    assert_eq!(same["inputs"], body["inputs"]);
    assert!(lost.is_empty(), "{lost:?}");
    let (titan, _) = carried(Dialect::Cohere, Dialect::BedrockTitan, body.clone()).expect("taken");
    assert_eq!(titan, json!({"inputText": "logo", "inputImage": "iVBORw0KGgo="}));
    let (gemini, _) = carried(Dialect::Cohere, Dialect::Gemini, body.clone()).expect("taken");
    assert_eq!(
        gemini["content"]["parts"][1],
        json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})
    );
    let (openrouter, _) = carried(Dialect::Cohere, Dialect::OpenAi, body.clone()).expect("taken");
    assert_eq!(openrouter["input"], body["inputs"]);
    assert!(carried(Dialect::Cohere, Dialect::Voyage, body.clone()).is_err());
    assert!(carried(Dialect::Cohere, Dialect::VertexPredict, body).is_err());
    let alone = json!({"model": "m", "images": [image], "input_type": "image", "embedding_types": ["float"]});
    let (same, _) = carried(Dialect::Cohere, Dialect::Cohere, alone.clone()).expect("taken");
    assert_eq!(same, alone);
    let elsewhere = json!({"model": "m", "images": ["https://example.com/a.png"], "input_type": "image"});
    assert!(carried(Dialect::Cohere, Dialect::Cohere, elsewhere).is_err());
    let broken = json!({"model": "m", "images": ["data:image/png;base64,%%"], "input_type": "image"});
    assert!(carried(Dialect::Cohere, Dialect::Cohere, broken).is_err());
}

#[test]
fn one_at_a_time_is_what_chunks_are_for_and_answers_join_again() {
    let body = br#"{"model":"m","input":["a","b","c"],"dimensions":256}"#;
    let openai = Dialect::OpenAi.codec();
    let request = openai.read_request(body, &Asked::default()).expect("taken").value;
    let titan = Dialect::BedrockTitan.codec();
    assert!(titan.write_request(&request, &Target::new("m")).is_err());
    let sent: Vec<Value> = request
        .chunks(1)
        .map(|one| value(&titan.write_request(&one, &Target::new("m")).expect("one").bytes))
        .collect();
    assert_eq!(sent[2], json!({"inputText": "c", "dimensions": 256}));
    let answers = [
        r#"{"embedding":[1.0,2.50],"inputTextTokenCount":3}"#,
        r#"{"embedding":[3],"embeddingsByType":{"float":[3],"binary":[1,0]},"inputTextTokenCount":4}"#,
    ];
    let read = answers.map(|body| {
        let read = titan.read_answer(body.as_bytes(), &Known::default());
        read.expect("an answer").value
    });
    let joined = Answer::join(read).expect("two");
    let envelope = Envelope {
        id: "made",
        request: &request,
    };
    let written = openai.write_answer(&joined, &envelope);
    let text = String::from_utf8(written.bytes.clone()).expect("UTF-8");
    // numbers stay as they were spelled
    assert!(text.contains("[1.0,2.50]"), "{text}");
    let answer = value(&written.bytes);
    assert_eq!(answer["data"][1]["index"], 1);
    assert_eq!(answer["usage"], json!({"prompt_tokens": 7, "total_tokens": 7}));
    assert_eq!(answer["model"], "m");
}

#[test]
fn every_kind_of_numbers_goes_by_type() {
    let body = json!({"id": "x", "embeddings": {"float": [[0.5]], "int8": [[-1]], "ubinary": [[255]]},
        "meta": {"billed_units": {"input_tokens": 4, "image_tokens": 2}}})
    .to_string();
    let cohere = Dialect::Cohere.codec();
    let answer = cohere
        .read_answer(body.as_bytes(), &Known::default())
        .expect("an answer")
        .value;
    assert_eq!(answer.usage.and_then(|usage| usage.input), Some(6));
    let kinds: Vec<NumberKind> = answer.embeddings[0]
        .vectors
        .iter()
        .map(|vector| vector.kind)
        .collect();
    assert_eq!(kinds, [NumberKind::Float, NumberKind::Int8, NumberKind::Ubinary]);
    let mut request = Request::new(Dialect::Voyage, "m".into());
    for (kind, base64, expected) in [
        (NumberKind::Float, false, json!([0.5])),
        (NumberKind::Int8, false, json!([-1])),
        (NumberKind::Int8, true, json!("/w==")),
        (NumberKind::Ubinary, true, json!("/w==")),
    ] {
        request.encodings = vec![Encoding { kind, base64 }];
        let envelope = Envelope {
            id: "made",
            request: &request,
        };
        let written = Dialect::Voyage.codec().write_answer(&answer, &envelope);
        assert_eq!(
            value(&written.bytes)["data"][0]["embedding"],
            expected,
            "{kind:?}"
        );
        let known = Known {
            encodings: &request.encodings,
            input_tokens: None,
        };
        let again = Dialect::Voyage
            .codec()
            .read_answer(&written.bytes, &known)
            .expect("an answer");
        assert_eq!(again.value.embeddings[0].vectors[0].kind, kind);
    }
    request.encodings = vec![Encoding {
        kind: NumberKind::Uint8,
        base64: false,
    }];
    let envelope = Envelope {
        id: "made",
        request: &request,
    };
    let written = cohere.write_answer(&answer, &envelope);
    assert_eq!(written.losses.list()[0].at, "embeddings.uint8");
}

#[test]
fn cohere_on_bedrock_has_its_own_form_for_who_asks_for_none() {
    let body = json!({"texts": ["a"], "input_type": "search_query", "truncate": "END"});
    let (same, lost) = carried(Dialect::BedrockCohere, Dialect::BedrockCohere, body.clone()).expect("taken");
    assert_eq!((same, lost.len()), (body.clone(), 0));
    let (cohere, _) = carried(Dialect::BedrockCohere, Dialect::Cohere, body.clone()).expect("taken");
    assert_eq!(cohere["embedding_types"], json!(["float"]));
    let bedrock = Dialect::BedrockCohere.codec();
    let answer = json!({"id": "x", "embeddings": [[0.25, 1e-7]], "texts": ["a"], "response_type": "embeddings_floats"});
    let bytes = answer.to_string();
    let known = Known {
        encodings: &[],
        input_tokens: Some(9),
    };
    let read = bedrock
        .read_answer(bytes.as_bytes(), &known)
        .expect("an answer")
        .value;
    // what headers count
    assert_eq!(read.usage.and_then(|usage| usage.input), Some(9));
    let bytes = body.to_string();
    let request = bedrock
        .read_request(bytes.as_bytes(), &asked("m", Dialect::BedrockCohere))
        .expect("taken")
        .value;
    let envelope = Envelope {
        id: "made",
        request: &request,
    };
    assert_eq!(value(&bedrock.write_answer(&read, &envelope).bytes), answer);
}

#[test]
fn numbers_that_cannot_be_said_are_a_loss_and_bytes_that_are_no_numbers_an_error() {
    let openai = Dialect::OpenAi.codec();
    let body =
        |embedding: Value| json!({"data": [{"index": 0, "embedding": embedding}], "model": "m"}).to_string();
    let nan = STANDARD.encode([f32::NAN.to_le_bytes(), 1f32.to_le_bytes()].concat());
    let request = Request::new(Dialect::OpenAi, "m".into());
    let envelope = Envelope {
        id: "made",
        request: &request,
    };
    let bytes = body(json!(nan));
    let answer = openai
        .read_answer(bytes.as_bytes(), &Known::default())
        .expect("an answer")
        .value;
    let written = openai.write_answer(&answer, &envelope);
    assert_eq!(value(&written.bytes)["data"][0]["embedding"], json!([null, 1.0]));
    assert_eq!(written.losses.list().len(), 1);
    for broken in [
        json!("AAA"),
        json!("AAAAAAA="),
        json!("%%%%"),
        json!(["a"]),
        json!([[1]]),
        json!([null]),
        json!(5),
        Value::Null,
    ] {
        let bytes = body(broken.clone());
        let read = openai.read_answer(bytes.as_bytes(), &Known::default());
        let error = read.map(|read| read.value.dialect).expect_err("no embedding");
        assert_eq!(error.kind, ErrorKind::BadAnswer, "{broken}");
    }
    for codec in CODECS {
        for body in ["", "<html>", "[]", "{}", "null"] {
            let read = codec.read_answer(body.as_bytes(), &Known::default());
            let error = read.map(|read| read.value.dialect).expect_err("no answer");
            assert_eq!(error.kind, ErrorKind::BadAnswer, "{body}");
        }
    }
    let under_200 = openai.read_answer(
        br#"{"error":{"message":"no","type":"server_error"}}"#,
        &Known::default(),
    );
    assert_eq!(
        under_200
            .map(|read| read.value.dialect)
            .expect_err("an error")
            .message
            .get(),
        "no"
    );
}

#[test]
fn embeddings_out_of_order_are_put_in_order() {
    let body = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}"#;
    let answer = Dialect::OpenAi
        .codec()
        .read_answer(body, &Known::default())
        .expect("an answer")
        .value;
    assert_eq!(all_floats(&answer), [[1f32.to_bits()], [2f32.to_bits()]]);
}

#[test]
fn what_is_no_request_for_embeddings_is_refused_by_its_field() {
    for (dialect, body, param) in [
        (Dialect::OpenAi, json!({"input": "a"}), "model"),
        (Dialect::OpenAi, json!({"model": "m"}), "input"),
        (
            Dialect::OpenAi,
            json!({"model": "m", "input": "a", "encoding_format": "hex"}),
            "encoding_format",
        ),
        (
            Dialect::OpenAi,
            json!({"model": "m", "input": ["a", null]}),
            "input[1]",
        ),
        (
            Dialect::Voyage,
            json!({"model": "m", "input": "a", "output_dtype": "int4"}),
            "output_dtype",
        ),
        (Dialect::Cohere, json!({"model": "m"}), "texts"),
        (
            Dialect::Cohere,
            json!({"model": "m", "texts": ["a"], "embedding_types": ["x"]}),
            "embedding_types[0]",
        ),
        (
            Dialect::Cohere,
            json!({"model": "m", "texts": ["a"], "truncate": "MIDDLE"}),
            "truncate",
        ),
        (Dialect::Gemini, json!({}), "content.parts"),
        (
            Dialect::Gemini,
            json!({"content": {"parts": [{"functionCall": {}}]}}),
            "content.parts[0]",
        ),
        (Dialect::GeminiBatch, json!({"requests": []}), "requests"),
        (
            Dialect::VertexPredict,
            json!({"instances": [{}]}),
            "instances[0].content",
        ),
        (Dialect::BedrockTitan, json!({}), "inputText"),
    ] {
        let bytes = body.to_string();
        let read = dialect.codec().read_request(bytes.as_bytes(), &Asked::default());
        let refused = read.map(|read| read.value.dialect).expect_err(&bytes);
        assert_eq!(refused.param.as_deref(), Some(param), "{bytes}");
    }
}

proptest! {
    #![proptest_config(cases())]

    /// A float's shortest spelling is read as the same float.
    #[test]
    fn any_floats_are_the_same_after_base64_and_back(bits in prop::collection::vec(any::<u32>(), 1..40)) {
        let finite: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).filter(|value| value.is_finite()).collect();
        let bytes: Vec<u8> = finite.iter().flat_map(|value| value.to_le_bytes()).collect();
        let encoded = STANDARD.encode(&bytes);
        let body = json!({"data": [{"index": 0, "embedding": encoded}], "model": "m"}).to_string();
        let openai = Dialect::OpenAi.codec();
        let answer = openai.read_answer(body.as_bytes(), &Known::default()).expect("an answer").value;
        let mut request = Request::new(Dialect::OpenAi, "m".into());
        let as_list = openai.write_answer(&answer, &Envelope { id: "", request: &request }).bytes;
        let list = openai.read_answer(&as_list, &Known::default()).expect("an answer").value;
        prop_assert!(matches!(list.embeddings[0].vectors[0].data, Data::Numbers(_)));
        request.encodings = vec![Encoding::BASE64];
        let again = openai.write_answer(&list, &Envelope { id: "", request: &request }).bytes;
        prop_assert_eq!(&value(&again)["data"][0]["embedding"], &json!(encoded));
    }

    #[test]
    fn any_bytes_of_embeddings_are_read_without_a_panic(
        noise in prop::collection::vec(any::<u8>(), 1..4),
        at in 0usize..400,
        which in 0usize..8,
    ) {
        let bodies = [
            r#"{"model":"m","input":["a",[1,2],{"content":[{"type":"text","text":"b"},{"type":"image_url","image_url":"data:image/png;base64,AAAA"}]}],"encoding_format":"base64","dimensions":3}"#,
            r#"{"model":"m","texts":["a"],"embedding_types":["float","base64"],"truncate":"END"}"#,
            r#"{"requests":[{"content":{"parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},"taskType":"CLUSTERING"}]}"#,
            r#"{"instances":[{"content":"a","title":"t"}],"parameters":{"autoTruncate":true}}"#,
            r#"{"data":[{"index":18446744073709551615,"embedding":"AACAPw=="}],"usage":{"total_tokens":1e3}}"#,
            r#"{"embeddings":{"float":[[1,2],[3e400]],"binary":[[1],[2],[3]]},"meta":{"billed_units":{"input_tokens":-1}}}"#,
            r#"{"embeddings":[{"values":[1]}],"usageMetadata":{"promptTokensDetails":[{"modality":"IMAGE","tokenCount":1}]}}"#,
            r#"{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":18446744073709551615}}},{"embeddings":{"values":[],"statistics":{"token_count":1}}}]}"#,
        ];
        let mut body = bodies[which].as_bytes().to_vec();
        for (offset, byte) in noise.iter().enumerate().skip(1) {
            let place = (at + offset * 11) % body.len();
            body[place] = *byte;
        }
        let request = Request::new(Dialect::OpenAi, "m".into());
        for codec in CODECS {
            if let Ok(read) = codec.read_request(&body, &Asked::default()) {
                for to in CODECS {
                    if let Ok(written) = to.write_request(&read.value, &Target::new("m")) {
                        prop_assert!(serde_json::from_slice::<Value>(&written.bytes).is_ok());
                    }
                }
            }
            if let Ok(read) = codec.read_answer(&body, &Known::default()) {
                for to in CODECS {
                    let written = to.write_answer(&read.value, &Envelope { id: "x", request: &request });
                    prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&written.bytes).is_ok());
                }
                let _ = Answer::join([read.value.clone(), read.value]);
            }
        }
    }
}
