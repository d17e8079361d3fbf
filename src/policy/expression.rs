//! CEL expressions of the configuration: compiled at load, evaluated over strings.
//!
//! Errors name fields and never values, because they end in logs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, StructExpr, operators};
use cel::{Context, ExecutionError, Program, Value};

use crate::model::Record;

/// A stack overflow would end the daemon, and cannot be caught.
const MOST_OPERATORS: usize = 1000;

/// A compiled expression with its source. Clones share the program.
#[derive(Clone)]
pub struct Expression {
    source: Arc<str>,
    program: Arc<Program>,
    fields: Arc<BTreeMap<String, BTreeSet<String>>>,
}

/// Why a text is not an expression that can be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The sentences say it.
pub enum CompileError {
    /// More than anybody writes: each operator is a step deeper for the evaluation.
    #[error("it has more than {MOST_OPERATORS} operators and brackets")]
    Long,
    #[error("it is not a CEL expression: {0}")]
    Syntax(String),
    #[error("it names `{name}`, and only {} can stand here", known.join(" and "))]
    Root { name: String, known: Vec<String> },
    #[error("there is no function `{0}`")]
    Function(String),
    /// It names a whole record instead of one of its fields.
    #[error("`{0}` needs a field behind it, such as `{0}.email`")]
    Bare(String),
}

/// Why an expression gives nothing for one record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The sentences say it.
pub enum EvalError {
    /// A field that it names was not read.
    #[error("the field `{0}` is not there")]
    Missing(String),
    #[error("the result is {got}, and {wanted} is needed")]
    Type { got: &'static str, wanted: &'static str },
    #[error("it fails on this record ({0})")]
    Failed(&'static str),
}

/// The standard functions. Made once: registering them takes longer than evaluating does.
static FUNCTIONS: LazyLock<Context<'static, 'static>> = LazyLock::new(Context::default);

/// What an expression is evaluated over: records, their dot-walks nested.
pub struct Scope(Context<'static, 'static>);

impl Scope {
    /// `user`, over a person's record.
    pub fn person(record: &Record) -> Self {
        Self::over(&[("user", record)])
    }

    /// `variables` and `request`, over a request.
    pub fn request(variables: &Record, request: &Record) -> Self {
        Self::over(&[("variables", variables), ("request", request)])
    }

    fn over(roots: &[(&str, &Record)]) -> Self {
        let mut context = FUNCTIONS.new_inner_scope();
        for (name, record) in roots {
            context.add_variable_from_value(*name, nested(record));
        }
        Self(context)
    }
}

/// `department.name` becomes a map within a map. Where a reference and its dot-walk are both
/// there, the dot-walk wins: expressions never name both.
fn nested(record: &Record) -> Value {
    let mut leaves: HashMap<String, Value> = HashMap::new();
    let mut branches: BTreeMap<&str, Record> = BTreeMap::new();
    for (field, value) in record {
        if let Some((head, rest)) = field.split_once('.') {
            branches.entry(head).or_default().insert(rest.to_owned(), value.clone());
        } else {
            leaves.insert(field.clone(), Value::from(value.as_str()));
        }
    }
    leaves.extend(branches.iter().map(|(head, branch)| ((*head).to_owned(), nested(branch))));
    Value::from(leaves)
}

impl Expression {
    /// Compiles a text in which the given names may stand, each with a field behind it.
    pub fn compile(source: &str, roots: &[&str]) -> Result<Self, CompileError> {
        let is_operator_sign =
            |c: &char| !(c.is_alphanumeric() || c.is_whitespace() || "_'\"".contains(*c));
        if source.chars().filter(is_operator_sign).count() > MOST_OPERATORS {
            return Err(CompileError::Long);
        }
        let program = Program::compile(source).map_err(|errors| {
            let text = errors.to_string();
            let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("unreadable");
            CompileError::Syntax(line.trim().to_owned())
        })?;
        let is_unknown = |name: &&str| !is_operator(name) && !is_function(name);
        if let Some(name) = program.references().functions().into_iter().find(is_unknown) {
            return Err(CompileError::Function(name.to_owned()));
        }
        let mut walk = Walk { roots, bound: Vec::new(), fields: BTreeMap::new() };
        walk.expression(program.expression())?;
        let fields = Arc::new(walk.fields);
        Ok(Self { source: source.into(), program: Arc::new(program), fields })
    }

    /// The text as configured.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The fields below one root that it names, dot-walks spelled with dots.
    pub fn fields(&self, root: &str) -> BTreeSet<String> {
        self.fields.get(root).cloned().unwrap_or_default()
    }

    /// Evaluates to a text. Null is empty; numbers and truth values are spelled out.
    pub fn text(&self, scope: &Scope) -> Result<String, EvalError> {
        let got = match self.evaluate(scope)? {
            Value::String(text) => return Ok(text.as_str().to_owned()),
            Value::Null => return Ok(String::new()),
            Value::Int(number) => return Ok(number.to_string()),
            Value::UInt(number) => return Ok(number.to_string()),
            Value::Float(number) => return Ok(number.to_string()),
            Value::Bool(truth) => return Ok(truth.to_string()),
            Value::List(_) => "a list",
            Value::Map(_) => "a record",
            _ => "something else",
        };
        Err(EvalError::Type { got, wanted: "a text" })
    }

    /// Evaluates to true or false.
    pub fn truth(&self, scope: &Scope) -> Result<bool, EvalError> {
        match self.evaluate(scope)? {
            Value::Bool(truth) => Ok(truth),
            Value::String(_) => Err(EvalError::Type { got: "a text", wanted: "true or false" }),
            _ => Err(EvalError::Type { got: "something else", wanted: "true or false" }),
        }
    }

    fn evaluate(&self, scope: &Scope) -> Result<Value, EvalError> {
        self.program.execute(&scope.0).map_err(|error| match error {
            ExecutionError::NoSuchKey(name) | ExecutionError::UndeclaredReference(name) => {
                EvalError::Missing(name.as_str().to_owned())
            }
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                EvalError::Failed("division by zero")
            }
            ExecutionError::IndexOutOfBounds(_) => EvalError::Failed("an index is out of bounds"),
            ExecutionError::FunctionError { .. } => {
                EvalError::Failed("a function refuses its argument")
            }
            _ => EvalError::Failed("the types do not fit"),
        })
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.source)
    }
}

fn is_operator(name: &str) -> bool {
    name.contains('_') && !name.chars().all(|c| c.is_alphanumeric() || c == '_')
        || name.starts_with('@')
        || name == operators::HAS
}

/// Whether the standard library has a function: calling it, also as a method, says so.
fn is_function(name: &str) -> bool {
    const MACROS: [&str; 6] = ["has", "all", "exists", "exists_one", "map", "filter"];
    if MACROS.contains(&name) {
        return true;
    }
    [format!("{name}()"), format!("''.{name}()")].iter().any(|call| {
        Program::compile(call).is_ok_and(|program| {
            !matches!(program.execute(&FUNCTIONS), Err(ExecutionError::UndeclaredReference(_)))
        })
    })
}

/// Collects the member chains below the roots.
struct Walk<'a> {
    roots: &'a [&'a str],
    /// Variables of comprehensions, which are no roots.
    bound: Vec<String>,
    fields: BTreeMap<String, BTreeSet<String>>,
}

impl Walk<'_> {
    fn expression(&mut self, expression: &IdedExpr) -> Result<(), CompileError> {
        if let Some((root, field)) = self.chain(expression) {
            return self.named(root, field);
        }
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.named(name.clone(), String::new()),
            Expr::Select(select) => self.expression(&select.operand),
            Expr::Call(call) => {
                call.target.iter().try_for_each(|target| self.expression(target))?;
                call.args.iter().try_for_each(|argument| self.expression(argument))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|item| self.expression(item)),
            Expr::Map(MapExpr { entries }) | Expr::Struct(StructExpr { entries, .. }) => {
                entries.iter().try_for_each(|entry| self.entry(&entry.expr))
            }
            Expr::Comprehension(each) => {
                self.expression(&each.iter_range)?;
                self.expression(&each.accu_init)?;
                let before = self.bound.len();
                self.bound.push(each.iter_var.clone());
                self.bound.extend(each.iter_var2.clone());
                self.bound.push(each.accu_var.clone());
                let inner = [&each.loop_cond, &each.loop_step, &each.result];
                let result = inner.into_iter().try_for_each(|part| self.expression(part));
                self.bound.truncate(before);
                result
            }
        }
    }

    fn entry(&mut self, entry: &EntryExpr) -> Result<(), CompileError> {
        match entry {
            EntryExpr::StructField(field) => self.expression(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.expression(&entry.key)?;
                self.expression(&entry.value)
            }
        }
    }

    /// `user.department.name` or `user["department"].name`, as its root and its dotted field.
    fn chain(&self, expression: &IdedExpr) -> Option<(String, String)> {
        let (inner, field) = match &expression.expr {
            Expr::Select(select) => (&*select.operand, select.field.as_str()),
            Expr::Call(call) if call.func_name == operators::INDEX => {
                let [base, key] = call.args.as_slice() else { return None };
                let Expr::Literal(LiteralValue::String(key)) = &key.expr else { return None };
                (base, key.inner())
            }
            _ => return None,
        };
        match &inner.expr {
            Expr::Ident(root) if !self.bound.contains(root) => {
                Some((root.clone(), field.to_owned()))
            }
            Expr::Ident(_) => None,
            _ => self.chain(inner).map(|(root, before)| (root, format!("{before}.{field}"))),
        }
    }

    fn named(&mut self, root: String, field: String) -> Result<(), CompileError> {
        if self.bound.contains(&root) {
            return Ok(());
        }
        if !self.roots.contains(&root.as_str()) {
            let known = self.roots.iter().map(|root| format!("`{root}`")).collect();
            return Err(CompileError::Root { name: root, known });
        }
        if field.is_empty() {
            return Err(CompileError::Bare(root));
        }
        self.fields.entry(root).or_default().insert(field);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &[(&str, &str)]) -> Record {
        fields.iter().map(|(f, v)| ((*f).to_owned(), (*v).to_owned())).collect()
    }

    fn user(source: &str) -> Expression {
        Expression::compile(source, &["user"]).unwrap()
    }

    #[test]
    fn a_dot_walk_is_nested_and_wins_over_its_reference() {
        let scope = Scope::person(&record(&[("department", "d1"), ("department.name", "Sales")]));
        assert_eq!(user("user.department.name").text(&scope).unwrap(), "Sales");
        assert!(user("user.department.name == 'Sales'").truth(&scope).unwrap());
    }

    #[test]
    fn the_fields_that_an_expression_names_are_known() {
        let expression = user(
            "has(user.u_nick) ? user['u_nick'] : user.first_name + ' ' + user.manager.department.name",
        );
        let fields: Vec<_> = expression.fields("user").into_iter().collect();
        assert_eq!(fields, ["first_name", "manager.department.name", "u_nick"]);
    }

    #[test]
    fn a_method_call_on_a_field_names_the_field() {
        let expression =
            user("user.email.endsWith('@example.com') && ['a'].exists(x, x == user.vip)");
        assert_eq!(expression.fields("user").into_iter().collect::<Vec<_>>(), ["email", "vip"]);
    }

    #[test]
    fn what_cannot_work_is_refused_when_it_is_loaded() {
        let refused = |source: &str| Expression::compile(source, &["user"]).unwrap_err();
        assert!(matches!(refused("user.email =="), CompileError::Syntax(_)));
        assert!(matches!(refused("usr.email"), CompileError::Root { .. }));
        assert!(matches!(refused("user"), CompileError::Bare(_)));
        assert!(matches!(refused("upper(user.email)"), CompileError::Function(_)));
    }

    #[test]
    fn a_field_that_was_not_read_is_named_and_no_value_is_shown() {
        let scope = Scope::person(&record(&[("email", "jane@example.com")]));
        assert_eq!(user("user.phone").text(&scope), Err(EvalError::Missing("phone".to_owned())));
        let error = user("user.email > 3").truth(&scope).unwrap_err().to_string();
        assert!(!error.contains("jane"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_an_expression_panic(value in "\\PC*") {
            let scope = Scope::person(&record(&[("email", &value), ("n", &value)]));
            for source in ["user.email", "user.email.matches(user.n)", "int(user.n) / 0 == 1",
                           "user.email.size() > 3", "user.email[0]", "timestamp(user.n) > timestamp(user.n)"] {
                if let Ok(expression) = Expression::compile(source, &["user"]) {
                    let _ = (expression.text(&scope), expression.truth(&scope));
                }
            }
        }
    }
}
