//! Expressions in x, y, z and t: a number, or text such as `"1e6 * sin(pi * y)"`; coefficients also in an unknown, as `"50 + 0.1 * T"`.

use super::error::nearest;
use std::sync::Arc;
use thiserror::Error;

/// Most values on the stack at once, and deepest nesting of parentheses.
const MAX_DEPTH: usize = 48;

/// An expression does not parse.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("column {column}: {what} in \"{text}\"")]
pub struct ExprError {
    /// The expression.
    pub text: String,
    /// Column from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Number(f64),
    /// 0, 1, 2 for x, y, z.
    Coordinate(usize),
    Time,
    /// The unknown that a coefficient may depend on.
    Unknown,
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// A function and its derivative.
    One(One, One),
    /// A function and its two partial derivatives.
    Two(Two, Partials),
    If,
}

type Function<F, D> = (&'static str, F, D);
type One = fn(f64) -> f64;
type Two = fn(f64, f64) -> f64;
type Partials = fn(f64, f64) -> (f64, f64);

/// Functions of one argument.
const ONE: &[Function<One, One>] = &[
    ("sin", f64::sin, f64::cos),
    ("cos", f64::cos, |v| -v.sin()),
    ("tan", f64::tan, |v| 1.0 + v.tan().powi(2)),
    ("asin", f64::asin, |v| 1.0 / (1.0 - v * v).sqrt()),
    ("acos", f64::acos, |v| -1.0 / (1.0 - v * v).sqrt()),
    ("atan", f64::atan, |v| 1.0 / (1.0 + v * v)),
    ("sinh", f64::sinh, f64::cosh),
    ("cosh", f64::cosh, f64::sinh),
    ("tanh", f64::tanh, |v| 1.0 - v.tanh().powi(2)),
    ("exp", f64::exp, f64::exp),
    ("ln", f64::ln, |v| 1.0 / v),
    ("log", f64::ln, |v| 1.0 / v),
    ("log10", f64::log10, |v| 1.0 / (v * std::f64::consts::LN_10)),
    ("sqrt", f64::sqrt, |v| 0.5 / v.sqrt()),
    ("abs", f64::abs, f64::signum),
    ("floor", f64::floor, |_| 0.0),
    ("ceil", f64::ceil, |_| 0.0),
    ("sign", |v| if v == 0.0 { 0.0 } else { v.signum() }, |_| 0.0),
    ("step", |v| if v < 0.0 { 0.0 } else { 1.0 }, |_| 0.0),
];

/// Functions of two arguments.
const TWO: &[Function<Two, Partials>] = &[
    ("min", f64::min, |a, b| if a <= b { (1.0, 0.0) } else { (0.0, 1.0) }),
    ("max", f64::max, |a, b| if a >= b { (1.0, 0.0) } else { (0.0, 1.0) }),
    ("atan2", f64::atan2, |a, b| (b / (a * a + b * b), -a / (a * a + b * b))),
    ("pow", f64::powf, power_partials),
    ("hypot", f64::hypot, |a, b| (a / a.hypot(b), b / a.hypot(b))),
    ("mod", f64::rem_euclid, |a, b| (1.0, -(a / b).floor())),
];

/// Of `a^b`; the second is 0 for a base that has no real logarithm.
fn power_partials(a: f64, b: f64) -> (f64, f64) {
    (b * a.powf(b - 1.0), if a > 0.0 { a.powf(b) * a.ln() } else { 0.0 })
}

/// A number or an expression in x, y, z (the mesh's length unit) and t (time).
#[derive(Debug, Clone)]
pub struct Expr {
    code: Arc<[Op]>,
    text: Arc<str>,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Expr {
    /// The same number everywhere.
    pub fn constant(value: f64) -> Expr {
        Expr { code: Arc::new([Op::Number(value)]), text: format!("{value:?}").into() }
    }

    /// Parses: numbers, `x y z t pi e`, `+ - * / ^ **`, `< <= > >=` (1 or 0), parentheses, `if(condition, then, else)`, functions
    /// of one argument (sin cos tan asin acos atan sinh cosh tanh exp ln log log10 sqrt abs floor ceil sign step; `log` is the
    /// natural one, `step(v)` is 1 from v = 0 on) and of two (min max atan2 pow hypot mod).
    pub fn parse(text: &str) -> Result<Expr, ExprError> {
        Expr::parse_with(text, None)
    }

    /// As [`Expr::parse`], with one more variable of that name, which [`Expr::eval_with`] gives a value.
    pub fn parse_with(text: &str, unknown: Option<&'static str>) -> Result<Expr, ExprError> {
        let mut parser = Parser { text, chars: text.char_indices().collect(), at: 0, code: Vec::new(), unknown };
        parser.comparison(0)?;
        parser.skip_space();
        if parser.at < parser.chars.len() {
            let c = parser.chars[parser.at].1;
            return Err(parser.error(format!("`{c}` is not expected here"), "an operator such as + - * / ^ belongs between two terms"));
        }
        let mut expr = Expr { code: parser.code.into(), text: text.trim().into() };
        let deepest = expr.stack_needed();
        if deepest > MAX_DEPTH {
            return Err(ExprError { text: text.into(), column: 1, what: "too deeply nested".into(), hint: "split it up".into() });
        }
        if let Some(value) = expr.is_constant() {
            expr.code = Arc::new([Op::Number(value)]);
        }
        Ok(expr)
    }

    /// The text it was parsed from (a number's shortest form for a constant).
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Value at the point `x` (`[dim]`, absent coordinates are 0) and time `t`.
    pub fn eval(&self, x: &[f64], t: f64) -> f64 {
        self.eval_with(x, t, f64::NAN)
    }

    /// As [`Expr::eval`], with the value of the unknown.
    pub fn eval_with(&self, x: &[f64], t: f64, unknown: f64) -> f64 {
        if let [Op::Number(value)] = *self.code {
            return value;
        }
        let mut stack = [0.0f64; MAX_DEPTH + 1];
        let mut top = 0usize;
        for op in self.code.iter() {
            match *op {
                Op::Number(v) => push(&mut stack, &mut top, v),
                Op::Coordinate(d) => push(&mut stack, &mut top, x.get(d).copied().unwrap_or(0.0)),
                Op::Time => push(&mut stack, &mut top, t),
                Op::Unknown => push(&mut stack, &mut top, unknown),
                Op::Negate => stack[top - 1] = -stack[top - 1],
                Op::One(f, _) => stack[top - 1] = f(stack[top - 1]),
                Op::If => {
                    let (condition, yes, no) = (stack[top - 3], stack[top - 2], stack[top - 1]);
                    top -= 2;
                    stack[top - 1] = if condition != 0.0 { yes } else { no };
                }
                binary => {
                    let (a, b) = (stack[top - 2], stack[top - 1]);
                    top -= 1;
                    stack[top - 1] = match binary {
                        Op::Add => a + b,
                        Op::Subtract => a - b,
                        Op::Multiply => a * b,
                        Op::Divide => a / b,
                        Op::Power => a.powf(b),
                        Op::Less => f64::from(a < b),
                        Op::LessEqual => f64::from(a <= b),
                        Op::Greater => f64::from(a > b),
                        Op::GreaterEqual => f64::from(a >= b),
                        Op::Two(f, _) => f(a, b),
                        _ => f64::NAN,
                    };
                }
            }
        }
        stack[0]
    }

    /// Value and derivative with respect to the unknown, exact but at kinks.
    pub fn slope_with(&self, x: &[f64], t: f64, unknown: f64) -> (f64, f64) {
        let mut stack = [(0.0f64, 0.0f64); MAX_DEPTH + 1];
        let mut top = 0usize;
        for op in self.code.iter() {
            let leaf = match *op {
                Op::Number(v) => Some((v, 0.0)),
                Op::Coordinate(d) => Some((x.get(d).copied().unwrap_or(0.0), 0.0)),
                Op::Time => Some((t, 0.0)),
                Op::Unknown => Some((unknown, 1.0)),
                _ => None,
            };
            if let Some(leaf) = leaf {
                stack[top] = leaf;
                top += 1;
                continue;
            }
            match *op {
                Op::Negate => stack[top - 1] = (-stack[top - 1].0, -stack[top - 1].1),
                Op::One(f, d) => {
                    let (v, s) = stack[top - 1];
                    stack[top - 1] = (f(v), if s == 0.0 { 0.0 } else { d(v) * s });
                }
                Op::If => {
                    let (condition, yes, no) = (stack[top - 3], stack[top - 2], stack[top - 1]);
                    top -= 2;
                    stack[top - 1] = if condition.0 != 0.0 { yes } else { no };
                }
                binary => {
                    let (a, b) = (stack[top - 2], stack[top - 1]);
                    top -= 1;
                    stack[top - 1] = binary_slope(binary, a, b);
                }
            }
        }
        stack[0]
    }

    /// The value, if it is the same everywhere and at all times.
    pub fn is_constant(&self) -> Option<f64> {
        let varies = self.code.iter().any(|op| matches!(op, Op::Coordinate(_) | Op::Time | Op::Unknown));
        (!varies).then(|| self.eval(&[], 0.0))
    }

    /// Whether `t` occurs.
    pub fn depends_on_time(&self) -> bool {
        self.code.iter().any(|op| matches!(op, Op::Time))
    }

    /// Whether the unknown of [`Expr::parse_with`] occurs.
    pub fn depends_on_unknown(&self) -> bool {
        self.code.iter().any(|op| matches!(op, Op::Unknown))
    }

    /// A factor that does not mention t and one that mentions t alone, whose product this is (to rounding): `"x^2 * sin(t)"`,
    /// `"3 / (1 + t)"`; what does not mention t has no second one. `None` where it is not written as such a product, as `"sin(x - t)"`.
    pub fn factor_time(&self) -> Option<(Expr, Option<Expr>)> {
        if !self.depends_on_time() {
            return Some((self.clone(), None));
        }
        let mut factors = Vec::new();
        factors_of(&self.code, false, &mut factors);
        let mut out = [vec![Op::Number(1.0)], vec![Op::Number(1.0)]];
        for (code, inverse) in factors {
            let in_time = code.iter().any(|op| matches!(op, Op::Time));
            if in_time && code.iter().any(|op| matches!(op, Op::Coordinate(_) | Op::Unknown)) {
                return None;
            }
            let part = &mut out[usize::from(in_time)];
            part.extend_from_slice(code);
            part.push(if inverse { Op::Divide } else { Op::Multiply });
        }
        let [space, time] = out.map(|code| Expr { code: code.into(), text: self.text.clone() });
        // One more value on the stack than before.
        (space.stack_needed() <= MAX_DEPTH && time.stack_needed() <= MAX_DEPTH).then_some((space, Some(time)))
    }

    fn stack_needed(&self) -> usize {
        let (mut top, mut most) = (0usize, 0usize);
        for op in self.code.iter() {
            match op {
                Op::Number(_) | Op::Coordinate(_) | Op::Time | Op::Unknown => top += 1,
                Op::Negate | Op::One(..) => {}
                Op::If => top -= 2,
                _ => top -= 1,
            }
            most = most.max(top);
        }
        most
    }
}

/// The factors that `code` is a product of, each with whether it is divided by.
fn factors_of<'a>(code: &'a [Op], inverse: bool, out: &mut Vec<(&'a [Op], bool)>) {
    const MINUS_ONE: &[Op] = &[Op::Number(-1.0)];
    let Some((last, rest)) = code.split_last() else { return };
    match last {
        Op::Negate => {
            out.push((MINUS_ONE, false));
            factors_of(rest, inverse, out);
        }
        Op::Multiply | Op::Divide => {
            let (a, b) = rest.split_at(start_of_last(rest));
            factors_of(a, inverse, out);
            factors_of(b, inverse != matches!(last, Op::Divide), out);
        }
        _ => out.push((code, inverse)),
    }
}

/// Where the last operand in `code` begins.
fn start_of_last(code: &[Op]) -> usize {
    let (mut open, mut at) = (1, code.len());
    while open > 0 && at > 0 {
        at -= 1;
        open = open - 1
            + match code[at] {
                Op::Number(_) | Op::Coordinate(_) | Op::Time | Op::Unknown => 0,
                Op::Negate | Op::One(..) => 1,
                Op::If => 3,
                _ => 2,
            };
    }
    at
}

/// Value and slope of an operation on two values with their slopes.
fn binary_slope(op: Op, (a, da): (f64, f64), (b, db): (f64, f64)) -> (f64, f64) {
    // Partials may be infinite where the slope they multiply is zero.
    let chain = |(pa, pb): (f64, f64)| (if da == 0.0 { 0.0 } else { pa * da }) + (if db == 0.0 { 0.0 } else { pb * db });
    match op {
        Op::Add => (a + b, da + db),
        Op::Subtract => (a - b, da - db),
        Op::Multiply => (a * b, da * b + a * db),
        Op::Divide => (a / b, (da - a / b * db) / b),
        Op::Power => (a.powf(b), chain(power_partials(a, b))),
        Op::Less => (f64::from(a < b), 0.0),
        Op::LessEqual => (f64::from(a <= b), 0.0),
        Op::Greater => (f64::from(a > b), 0.0),
        Op::GreaterEqual => (f64::from(a >= b), 0.0),
        Op::Two(f, partials) => (f(a, b), chain(partials(a, b))),
        _ => (f64::NAN, f64::NAN),
    }
}

fn push(stack: &mut [f64], top: &mut usize, value: f64) {
    stack[*top] = value;
    *top += 1;
}

struct Parser<'a> {
    text: &'a str,
    chars: Vec<(usize, char)>,
    at: usize,
    code: Vec<Op>,
    unknown: Option<&'static str>,
}

impl Parser<'_> {
    fn error(&self, what: String, hint: &str) -> ExprError {
        ExprError { text: self.text.trim().into(), column: self.at.min(self.chars.len()) + 1, what, hint: hint.into() }
    }

    fn skip_space(&mut self) {
        while self.chars.get(self.at).is_some_and(|(_, c)| c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.chars.get(self.at).map(|(_, c)| *c)
    }

    fn eat(&mut self, word: &str) -> bool {
        self.skip_space();
        let found = word.chars().enumerate().all(|(i, w)| self.chars.get(self.at + i).is_some_and(|(_, c)| *c == w));
        if found {
            self.at += word.chars().count();
        }
        found
    }

    fn comparison(&mut self, depth: usize) -> Result<(), ExprError> {
        if depth > MAX_DEPTH {
            return Err(self.error("too deeply nested".into(), "split it up"));
        }
        self.sum(depth)?;
        loop {
            let op = if self.eat("<=") {
                Op::LessEqual
            } else if self.eat(">=") {
                Op::GreaterEqual
            } else if self.eat("<") {
                Op::Less
            } else if self.eat(">") {
                Op::Greater
            } else {
                return Ok(());
            };
            self.sum(depth)?;
            self.code.push(op);
        }
    }

    fn sum(&mut self, depth: usize) -> Result<(), ExprError> {
        self.product(depth)?;
        loop {
            let op = if self.eat("+") {
                Op::Add
            } else if self.eat("-") {
                Op::Subtract
            } else {
                return Ok(());
            };
            self.product(depth)?;
            self.code.push(op);
        }
    }

    fn product(&mut self, depth: usize) -> Result<(), ExprError> {
        self.sign(depth)?;
        loop {
            let op = if self.eat("*") {
                Op::Multiply
            } else if self.eat("/") {
                Op::Divide
            } else {
                return Ok(());
            };
            self.sign(depth)?;
            self.code.push(op);
        }
    }

    /// A sign binds weaker than a power: -x^2 is -(x^2).
    fn sign(&mut self, depth: usize) -> Result<(), ExprError> {
        let mut negative = false;
        loop {
            if self.eat("-") {
                negative = !negative;
            } else if !self.eat("+") {
                break;
            }
        }
        self.power(depth)?;
        if negative {
            self.code.push(Op::Negate);
        }
        Ok(())
    }

    /// Powers group from the right: 2^3^2 is 2^(3^2).
    fn power(&mut self, depth: usize) -> Result<(), ExprError> {
        self.atom(depth)?;
        if self.eat("^") || self.eat("**") {
            if depth > MAX_DEPTH {
                return Err(self.error("too deeply nested".into(), "split it up"));
            }
            self.sign(depth + 1)?;
            self.code.push(Op::Power);
        }
        Ok(())
    }

    fn atom(&mut self, depth: usize) -> Result<(), ExprError> {
        match self.peek() {
            None => Err(self.error("ends where a number, a variable or a function is expected".into(), "variables are x, y, z, t")),
            Some('(') => {
                self.at += 1;
                self.comparison(depth + 1)?;
                self.close()
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' => self.word(depth),
            Some(c) => {
                Err(self.error(format!("`{c}` is not expected here"), "a number, x, y, z, t, a function or a parenthesis belongs here"))
            }
        }
    }

    fn close(&mut self) -> Result<(), ExprError> {
        if self.eat(")") { Ok(()) } else { Err(self.error("a `)` is missing".into(), "every ( needs its )")) }
    }

    fn number(&mut self) -> Result<(), ExprError> {
        let start = self.at;
        let is = |p: &Self, i: usize, f: fn(char) -> bool| p.chars.get(i).is_some_and(|(_, c)| f(*c));
        while is(self, self.at, |c| c.is_ascii_digit() || c == '.' || c == '_') {
            self.at += 1;
        }
        if is(self, self.at, |c| c == 'e' || c == 'E') {
            let sign = usize::from(is(self, self.at + 1, |c| c == '+' || c == '-'));
            if is(self, self.at + 1 + sign, |c| c.is_ascii_digit()) {
                self.at += 1 + sign;
                while is(self, self.at, |c| c.is_ascii_digit()) {
                    self.at += 1;
                }
            }
        }
        let digits: String = self.chars[start..self.at].iter().map(|(_, c)| *c).filter(|c| *c != '_').collect();
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => {
                self.code.push(Op::Number(value));
                Ok(())
            }
            _ => {
                self.at = start;
                Err(self.error(format!("`{digits}` is not a number"), "write 1.5, 2e-3 or 210e9"))
            }
        }
    }

    fn word(&mut self, depth: usize) -> Result<(), ExprError> {
        let start = self.at;
        while self.chars.get(self.at).is_some_and(|(_, c)| c.is_alphanumeric() || *c == '_') {
            self.at += 1;
        }
        let word: String = self.chars[start..self.at].iter().map(|(_, c)| *c).collect();
        if self.peek() == Some('(') {
            return self.call(&word, start, depth);
        }
        self.code.push(match word.as_str() {
            "x" => Op::Coordinate(0),
            "y" => Op::Coordinate(1),
            "z" => Op::Coordinate(2),
            "t" => Op::Time,
            "pi" => Op::Number(std::f64::consts::PI),
            "e" => Op::Number(std::f64::consts::E),
            word if Some(word) == self.unknown => Op::Unknown,
            _ => {
                self.at = start;
                let functions = ONE.iter().map(|f| f.0).chain(TWO.iter().map(|f| f.0)).chain(["if"]);
                let hint = match nearest(&word, functions.clone()) {
                    Some(f) if f == word => format!("a function takes parentheses: {f}(...)"),
                    Some(f) => format!("did you mean `{f}(...)`? variables are x, y, z, t; constants pi, e"),
                    None => "variables are x, y, z, t; constants pi, e".into(),
                };
                return Err(self.error(format!("`{word}` is not known"), &hint));
            }
        });
        Ok(())
    }

    fn call(&mut self, name: &str, start: usize, depth: usize) -> Result<(), ExprError> {
        let (op, wanted) = if let Some((_, f, d)) = ONE.iter().find(|f| f.0 == name) {
            (Op::One(*f, *d), 1)
        } else if let Some((_, f, d)) = TWO.iter().find(|f| f.0 == name) {
            (Op::Two(*f, *d), 2)
        } else if name == "if" {
            (Op::If, 3)
        } else {
            self.at = start;
            let known = || ONE.iter().map(|f| f.0).chain(TWO.iter().map(|f| f.0)).chain(["if"]);
            let hint = match nearest(name, known()) {
                Some(f) => format!("did you mean `{f}(...)`?"),
                None => format!("functions are {}", known().collect::<Vec<_>>().join(", ")),
            };
            return Err(self.error(format!("there is no function `{name}`"), &hint));
        };
        self.eat("(");
        let mut given = 0;
        loop {
            self.comparison(depth + 1)?;
            given += 1;
            if !self.eat(",") {
                break;
            }
        }
        self.close()?;
        if given != wanted {
            self.at = start;
            return Err(self.error(format!("`{name}` takes {wanted} argument(s), {given} given"), "separate arguments by commas"));
        }
        self.code.push(op);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str, x: &[f64], t: f64) -> f64 {
        Expr::parse(text).unwrap().eval(x, t)
    }

    #[test]
    fn values_follow_the_usual_rules() {
        assert_eq!(at("1 + 2 * 3 ^ 2", &[], 0.0), 19.0);
        assert_eq!(at("2^3^2", &[], 0.0), 512.0);
        assert_eq!(at("-x^2", &[3.0], 0.0), -9.0);
        assert_eq!(at("2*-x**2", &[3.0], 0.0), -18.0);
        assert_eq!(at("8 / 4 / 2 - 1 - 1", &[], 0.0), -1.0);
        assert_eq!(at("210e9 * (1 - y) + t", &[0.0, 1.0], 4.0), 4.0);
        assert_eq!(at("max(x, min(y, z))", &[1.0, 5.0, 3.0], 0.0), 3.0);
        assert_eq!(at("if(t < 2, 10, 20)", &[], 1.0), 10.0);
        assert_eq!(at("if(t < 2, 10, 20)", &[], 2.0), 20.0);
        assert!((at("sin(pi/6) + ln(e) + sqrt(4)", &[], 0.0) - 3.5).abs() < 1e-15);
        assert_eq!(at("z", &[1.0, 2.0], 0.0), 0.0);
    }

    #[test]
    fn knows_what_it_depends_on() {
        let e = Expr::parse("2 * pi").unwrap();
        assert_eq!(e.is_constant(), Some(2.0 * std::f64::consts::PI));
        assert!(!e.depends_on_time());
        let e = Expr::parse("x + t").unwrap();
        assert_eq!(e.is_constant(), None);
        assert!(e.depends_on_time());
        assert!(!Expr::parse("x").unwrap().depends_on_time());
    }

    #[test]
    fn products_part_into_space_and_time() {
        for text in [
            "-x * sin(2 * t) / (1 + y) / exp(-t)",
            "t",
            "3",
            "x^2",
            "(2 - (x - y)) / (-t * 4)",
            "-(-(x * t))",
            "if(t < 1, 2, t) * max(x, y)",
        ] {
            let e = Expr::parse(text).unwrap();
            let (space, time) = e.factor_time().unwrap_or_else(|| panic!("{text}"));
            assert!(!space.depends_on_time());
            assert_eq!(time.is_some(), e.depends_on_time());
            let time = time.unwrap_or_else(|| Expr::constant(1.0));
            for (x, t) in [([0.3, 0.7], 0.4), ([2.0, -3.0], 1.9)] {
                assert_eq!(time.eval(&x, t), time.eval(&[], t));
                let (whole, product) = (e.eval(&x, t), space.eval(&x, t) * time.eval(&[], t));
                assert!((whole - product).abs() < 1e-14 * whole.abs(), "{text}: {whole} {product}");
            }
        }
        for text in ["sin(x - t)", "x + t", "x^t", "x * t + t"] {
            assert!(Expr::parse(text).unwrap().factor_time().is_none(), "{text}");
        }
    }

    #[test]
    fn errors_name_the_column_and_a_way_out() {
        let e = Expr::parse("2 * sinn(x)").unwrap_err();
        assert_eq!(e.column, 5);
        assert_eq!(e.hint, "did you mean `sin(...)`?");
        let e = Expr::parse("x + w").unwrap_err();
        assert_eq!((e.column, e.what.as_str()), (5, "`w` is not known"));
        assert_eq!(Expr::parse("(x + 1").unwrap_err().what, "a `)` is missing");
        assert!(Expr::parse("").unwrap_err().what.contains("ends"));
        assert_eq!(Expr::parse("min(x)").unwrap_err().what, "`min` takes 2 argument(s), 1 given");
        assert_eq!(Expr::parse("2 x").unwrap_err().column, 3);
        assert!(Expr::parse("1.2.3").unwrap_err().what.contains("not a number"));
        assert!(Expr::parse(&"(".repeat(100_000)).is_err());
        assert!(Expr::parse(&format!("1{}", "^1".repeat(100_000))).is_err());
    }

    #[test]
    fn slopes_agree_with_differences() {
        let functions = ONE.iter().map(|f| f.0).filter(|f| !["asin", "acos"].contains(f)).map(|f| format!("{f}(0.7 * T + x)"));
        let two = TWO.iter().flat_map(|f| [format!("{}(T, 1.3 + x)", f.0), format!("{}(1.3 + x, T)", f.0)]);
        let more =
            ["asin(0.3 * T)", "acos(0.3 * T)", "T^3 - 2^T + T * x / (1 + T)", "if(T < 1, T, T^2) - (T > 3)", "-T^2 * t"].map(String::from);
        for text in functions.chain(two).chain(more) {
            let e = Expr::parse_with(&text, Some("T")).unwrap();
            assert!(e.depends_on_unknown() && e.is_constant().is_none());
            let (x, t, v, h) = ([0.4], 2.0, 1.9, 1e-6);
            let (value, slope) = e.slope_with(&x, t, v);
            assert_eq!(value, e.eval_with(&x, t, v), "{text}");
            let difference = (e.eval_with(&x, t, v + h) - e.eval_with(&x, t, v - h)) / (2.0 * h);
            assert!((slope - difference).abs() < 1e-6 * (1.0 + slope.abs()), "{text}: {slope} and {difference}");
        }
        assert!(Expr::parse("T").is_err());
        assert_eq!(Expr::parse_with("(T - 2)^2", Some("T")).unwrap().slope_with(&[], 0.0, -1.0), (9.0, -6.0));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-0-9a-z+*/^().,<>= éπ]{0,40}") {
            if let Ok(e) = Expr::parse(&text) {
                e.eval(&[1.0, 2.0, 3.0], 4.0);
            }
        }
    }
}
