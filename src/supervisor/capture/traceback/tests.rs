use super::*;

/// What becomes of lines, each so long after the one before: lines with `-` before them, tracebacks
/// with their number of lines and their message.
fn pieces_after(pause: Duration, text: &str) -> Vec<String> {
    let mut tracebacks = Tracebacks::default();
    let mut taken = Vec::new();
    let mut at = Moment::now();
    let mut all = String::new();
    for line in text.split_terminator('\n') {
        at.instant += pause;
        let mut take = |piece: Piece<'_>| taken.push(told(&piece, line, &mut all));
        if tracebacks.due().is_some_and(|due| due < at.instant) {
            tracebacks.give_up(&mut take);
        }
        tracebacks.add(line, at, &mut take);
    }
    tracebacks.give_up(&mut |piece| taken.push(told(&piece, "", &mut all)));
    assert_eq!(tracebacks.due(), None);
    assert_eq!(all, text, "something is lost, or in another order");
    taken
}

fn pieces(text: &str) -> Vec<String> {
    pieces_after(Duration::from_millis(1), text)
}

fn told(piece: &Piece<'_>, added: &str, all: &mut String) -> String {
    let (text, told) = match piece {
        Piece::Added => (added, format!("- {added}")),
        Piece::Kept { line, .. } => (*line, format!("- {line}")),
        Piece::Traceback { text, .. } => {
            (*text, format!("{} {}", text.split('\n').count(), message(text)))
        }
    };
    all.push_str(text);
    all.push('\n');
    told
}

const CHAIN: &str = "\
Traceback (most recent call last):
  File \"a.py\", line 6, in g
    f()
  File \"a.py\", line 3, in f
    1/0
    ~^~
ZeroDivisionError: division by zero

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"a.py\", line 11, in h
    g()
shop.errors.Failed

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"a.py\", line 14, in <module>
    h()
__main__.h.<locals>.Boom: 'k'
";

const GROUP: &str = "  + Exception Group Traceback (most recent call last):
  |   File \"a.py\", line 1, in <module>
  |     raise ExceptionGroup(\"eg\", [ValueError(1)])
  | ExceptionGroup: eg (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +------------------------------------
";

const SYNTAX: &str = "  File \"a.py\", line 1
    def f(:
          ^
SyntaxError: invalid syntax
";

const THREAD: &str = "Exception in thread Thread-1 (run):
Traceback (most recent call last):
  File \"threading.py\", line 1045, in _bootstrap_inner
    self.run()
RuntimeError: in thread
";

const JAVA: &str = "Exception in thread \"main\" java.lang.RuntimeException: outer
\tat A.main(A.java:5)
\tSuppressed: java.io.IOException: closed
\t\tat A.close(A.java:9)
\t\t... 1 more
Caused by: java.lang.IllegalStateException: inner
\tat A.f(A.java:9)
\t... 1 more
";

const PRINTED_JAVA: &str = "com.example.Shop$Closed: at night
\tat com.example.Shop.open(Shop.java:7)
\tat java.base/java.lang.Thread.run(Thread.java:840)
";

const PANIC: &str = "thread 'main' (4711) panicked at src/main.rs:2:5:
assertion `left == right` failed
  left: 1
 right: 2
stack backtrace:
   0: __rustc::rust_begin_unwind
             at /rustc/0/library/std/src/panicking.rs:698:5
   1: core::panicking::panic_fmt
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
";

const OLD_PANIC: &str = "thread '<unnamed>' panicked at 'boom', src/main.rs:2:5
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
";

#[test]
fn a_traceback_is_one_piece_and_says_what_happened() {
    for (text, expected) in [
        (CHAIN, "21 __main__.h.<locals>.Boom: 'k'"),
        (GROUP, "7 ExceptionGroup: eg (1 sub-exception)"),
        (SYNTAX, "4 SyntaxError: invalid syntax"),
        (THREAD, "5 RuntimeError: in thread"),
        (JAVA, "8 Exception in thread \"main\" java.lang.RuntimeException: outer"),
        (PRINTED_JAVA, "3 com.example.Shop$Closed: at night"),
        (
            PANIC,
            "9 thread 'main' (4711) panicked at src/main.rs:2:5: assertion `left == right` failed",
        ),
        (OLD_PANIC, "2 thread '<unnamed>' panicked at 'boom', src/main.rs:2:5"),
    ] {
        assert_eq!(pieces(text), [expected], "{text}");
        let around = format!("before\n{text}after\n{text}");
        assert_eq!(pieces(&around), ["- before", expected, "- after", expected], "{text}");
    }
}

#[test]
fn a_beginning_without_its_continuation_is_lines() {
    for text in [
        "Traceback (most recent call last):\nnothing of it\n",
        "Traceback (most recent call last):\n",
        "Exception in thread Thread-1 (run):\nException ignored in: x\n",
        "java.lang.Error: none\nat all\n",
        "\tat last\nthe end\n",
        "Caused by: rain\n",
        "stack backtrace:\nnone\n",
        "  File \"a.py\", line 1\nand so on\n",
        "  + Exception Group Traceback (most recent call last):\n",
        "\n  indented\n\tby a tab\n",
        "www.example.com: up\n127.0.0.1:80\na.b: C\n",
    ] {
        let lines: Vec<_> = text.lines().map(|line| format!("- {line}")).collect();
        assert_eq!(pieces(text), lines);
    }
}

#[test]
fn what_follows_a_traceback_and_is_none_of_it_is_lines() {
    let exception = "Traceback (most recent call last):\n  File \"a.py\", line 1\nE: e\n";
    for rest in [
        "\n",
        "\nThe above exception was the direct cause of the following exception:\n",
        "\nThe above exception was the direct cause of the following exception:\n\nx\n",
        "second line of the message\n\n",
    ] {
        let lines = rest.split_terminator('\n').map(|line| format!("- {line}"));
        let expected: Vec<_> = ["3 E: e".to_owned()].into_iter().chain(lines).collect();
        assert_eq!(pieces(&format!("{exception}{rest}")), expected);
    }
}

#[test]
fn a_panic_without_a_message_line_is_one_all_the_same() {
    assert_eq!(
        pieces("thread 'main' panicked at src/main.rs:2:5:\n"),
        ["1 thread 'main' panicked at src/main.rs:2:5:"]
    );
    let two = "thread 'a' panicked at b.rs:1:1:\nx\nthread 'b' panicked at b.rs:2:1:\ny\n";
    assert_eq!(
        pieces(two),
        ["2 thread 'a' panicked at b.rs:1:1: x", "2 thread 'b' panicked at b.rs:2:1: y"]
    );
}

#[test]
fn a_line_waits_for_the_next_as_long_as_said() {
    let text = "Traceback (most recent call last):\n  File \"a.py\", line 1\nE: e\n";
    assert_eq!(pieces_after(MAX_GAP, text), ["3 E: e"]);
    let late = MAX_GAP + Duration::from_nanos(1);
    let lines: Vec<_> = text.lines().map(|line| format!("- {line}")).collect();
    assert_eq!(pieces_after(late, text), lines);
    // One each second: the first has waited long enough with the sixth.
    let frames: String = "\tat a\n".repeat(12);
    assert_eq!(pieces_after(MAX_GAP, &frames), ["6 at a", "6 at a"]);
}

#[test]
fn frames_of_rust_may_take_long_to_be_found() {
    let mut tracebacks = Tracebacks::default();
    let at = Moment::now();
    let mut taken = Vec::new();
    let mut take = |piece: Piece<'_>| taken.push(told(&piece, "", &mut String::new()));
    tracebacks.add("thread 'main' panicked at a.rs:1:1:", at, &mut take);
    tracebacks.add("no", at, &mut take);
    assert_eq!(tracebacks.due(), Some(at.instant + MAX_GAP));
    tracebacks.add(RUST_BACKTRACE, at, &mut take);
    assert_eq!(tracebacks.due(), Some(at.instant + MAX_WAIT));
    tracebacks.add("   0: core::panicking::panic_fmt", at, &mut take);
    assert_eq!(tracebacks.due(), Some(at.instant + MAX_GAP));
    tracebacks.give_up(&mut take);
    assert_eq!(taken, ["4 thread 'main' panicked at a.rs:1:1: no"]);
}

#[test]
fn a_long_traceback_is_cut_into_several() {
    let frames = |count: usize| "\tat a\n".repeat(count);
    let at = |count: usize| format!("{count} at a");
    assert_eq!(pieces(&frames(MAX_TRACEBACK_LINES)), [at(MAX_TRACEBACK_LINES)]);
    let cut = [at(MAX_TRACEBACK_LINES), at(2)];
    assert_eq!(pieces(&frames(MAX_TRACEBACK_LINES + 2)), cut);
    let long = format!("\tat {}\n", "x".repeat(1000));
    let count = MAX_TRACEBACK_BYTES / long.len();
    let taken = pieces(&long.repeat(count + 2));
    assert!(taken[0].starts_with(&format!("{count} at")), "{:?}", taken[0]);
    assert!(taken.len() == 2 && taken[1].starts_with("2 at"));
    let huge = format!("E: {}", "x".repeat(MAX_TRACEBACK_BYTES));
    let taken = pieces(&format!("Traceback (most recent call last):\n  File\n{huge}\n"));
    assert_eq!(taken[0], "2 Traceback (most recent call last):");
    assert_eq!(taken[1], format!("- {huge}"));
}
