use super::time;
use crate::vocab::branch::Branch;
use crate::vocab::measure::Bytes;

/// So far below its service's row a tree begins.
const INDENT: &str = "  ";

/// A process tree, a line for each process: pid, age, memory, command.
pub(in crate::cli) fn lines(branches: &[Branch]) -> Vec<String> {
    let mut lines = Vec::new();
    draw(branches, INDENT, &mut lines);
    lines
}

fn draw(branches: &[Branch], indent: &str, lines: &mut Vec<String>) {
    for (number, branch) in branches.iter().enumerate() {
        let is_last = number + 1 == branches.len();
        let (edge, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines.push(format!("{indent}{edge}{}", words(branch)));
        draw(&branch.children, &format!("{indent}{below}"), lines);
    }
}

fn words(branch: &Branch) -> String {
    let age = time::brief(branch.age_s);
    // What a program calls itself must not draw over the table.
    let command = match branch.command.as_str() {
        "" => "(no command line)".to_owned(),
        command => command.replace(char::is_control, " "),
    };
    format!("{} {age} {} {command}", branch.pid, Bytes(branch.memory_bytes))
}

#[cfg(test)]
mod tests {
    use super::lines;
    use crate::vocab::branch::Branch;
    use crate::vocab::identity::Pid;

    #[test]
    fn a_tree_is_drawn_with_an_edge_for_each_process() {
        let branch = |pid: i32, children: Vec<Branch>| Branch {
            pid: Pid::new(pid).unwrap(),
            command: format!("c{pid}"),
            age_s: 61.0,
            memory_bytes: 0,
            children,
        };
        let forest = [
            branch(1, vec![branch(2, vec![branch(3, Vec::new())]), branch(4, Vec::new())]),
            branch(5, Vec::new()),
        ];
        let drawn: Vec<String> = lines(&forest).iter().map(|line| line.replace(" 1m 01s 0 B", "")).collect();
        assert_eq!(drawn, ["  ├─ 1 c1", "  │  ├─ 2 c2", "  │  │  └─ 3 c3", "  │  └─ 4 c4", "  └─ 5 c5"]);
    }
}
