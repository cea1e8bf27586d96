//! The story through an old rskafka.

extern crate rskafka_old as rskafka;

mod story;

#[tokio::main]
async fn main() {
    story::tell().await;
}
