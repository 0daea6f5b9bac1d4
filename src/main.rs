//! The `reaid` program: everything it can do is in [`reaid::cli`].

fn main() -> std::process::ExitCode {
    reaid::cli::main()
}
