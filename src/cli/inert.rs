//! The one place that all of the log passes, whatever its form: nothing in it acts.

use std::fmt::Debug;

use tracing::field::{DisplayValue, Field, Value, Visit, display};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::model::shown;

/// Hands every event on to a layer, with each text of it made visible.
#[derive(Debug)]
pub(crate) struct Inert<L>(pub L);

impl<S: Subscriber, L: Layer<S>> Layer<S> for Inert<L> {
    fn on_layer(&mut self, subscriber: &mut S) {
        self.0.on_layer(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(span, values, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let fields = event.metadata().fields();
        let mut seen = Seen((0..fields.len()).map(|_| None).collect());
        event.record(&mut seen);
        let values: Vec<_> = seen.0.iter().map(|value| value.as_ref().map(Shown::value)).collect();
        // An event is made of values for the fields that it was declared with.
        let values = fields.value_set_all(&values);
        self.0.on_event(&Event::new(event.metadata(), &values), context);
    }
}

/// The values of an event, in the order of its fields.
struct Seen(Vec<Option<Shown>>);

enum Shown {
    /// A text, which some forms of the log put in quotes.
    Text(String),
    /// What is written as it is.
    Plain(DisplayValue<String>),
    Float(f64),
    Signed(i64),
    Unsigned(u64),
    Bool(bool),
}

impl Shown {
    fn value(&self) -> &dyn Value {
        match self {
            Self::Text(text) => text,
            Self::Plain(text) => text,
            Self::Float(number) => number,
            Self::Signed(number) => number,
            Self::Unsigned(number) => number,
            Self::Bool(yes) => yes,
        }
    }
}

impl Seen {
    fn keep(&mut self, field: &Field, value: Shown) {
        if let Some(place) = self.0.get_mut(field.index()) {
            *place = Some(value);
        }
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = shown::line(&format!("{value:?}")).into_owned();
        self.keep(field, Shown::Plain(display(text)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, Shown::Text(shown::line(value).into_owned()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, Shown::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, Shown::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, Shown::Unsigned(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, Shown::Bool(value));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const ODD: &str =
        "\u{1b}]0;x\u{7}\u{9b}\n\r\u{85}\u{202e}\u{2066}\u{2028}\u{200b}\u{e0041}\u{ad}";

    fn written<L>(paper: &Paper, layer: L) -> String
    where
        L: Layer<tracing_subscriber::Registry> + Send + Sync + 'static,
    {
        let subscriber = tracing_subscriber::registry().with(Inert(layer));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(login = ODD, group = %ODD, number = 7, yes = true, "said: {ODD}");
        });
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn every_field_of_every_form_of_the_log_is_one_line_in_which_nothing_acts() {
        let (text, json) = (Paper::default(), Paper::default());
        let (to_text, to_json) = (text.clone(), json.clone());
        let layer = tracing_subscriber::fmt::layer().with_ansi(false);
        let text = written(&text, layer.with_writer(move || to_text.clone()));
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
        let json = written(&json, layer.with_writer(move || to_json.clone()));
        for said in [&text, &json] {
            let line = said.strip_suffix('\n').unwrap();
            assert_eq!(shown::line(line), *line);
        }
        assert!(text.contains("said: \\u{1b}]0;x") && text.contains("number=7 yes=true"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["number"], &json["yes"]), (&7.into(), &true.into()));
        assert_eq!(json["login"], shown::line(ODD).as_ref());
        assert_eq!(json["group"], json["login"]);
    }
}
