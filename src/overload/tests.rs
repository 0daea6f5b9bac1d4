//! The grades, by a clock that the tests move.

use super::*;

const MS: Duration = Duration::from_millis(1);

/// What a judge decides of waits in milliseconds, one each tick, and of a queue so full.
fn grades(waits: &[u32], queue: f64) -> Vec<Grade> {
    let (mut judge, mut now) = (Judge::default(), Instant::now());
    let see = |wait: &u32| {
        now += TICK + MS * *wait;
        judge.see(MS * *wait, Duration::ZERO, queue, now)
    };
    waits.iter().map(see).collect()
}

#[test]
fn a_wait_that_lasts_raises_the_grade_and_its_end_lowers_it() {
    use Grade::{Calm, Holding, Refusing, Shedding};
    let grade = |wait| grades(&[wait; 30], 0.0)[29];
    let found = [0, 5, 49, 50, 199, 200, 999, 1000, 5000].map(grade);
    assert_eq!(found, [Calm, Calm, Calm, Shedding, Shedding, Refusing, Refusing, Holding, Holding]);
    let waits = [4000, 4000, 4000, 1, 1];
    assert_eq!(grades(&waits, 0.0), [Calm, Holding, Holding, Calm, Calm], "one short wait: the queue is gone");
    // From grade to grade, each ends at half of what it begins at.
    let down = [1200, 1200, 500, 499, 100, 99, 25, 24];
    let expected = [Calm, Holding, Holding, Refusing, Refusing, Shedding, Shedding, Calm];
    assert_eq!(grades(&down, 0.0), expected);
}

#[test]
fn one_long_wait_among_short_ones_is_a_neighbour_and_no_queue() {
    let waits: Vec<u32> = (0..100).map(|at| if at % 5 == 4 { 4000 } else { 0 }).collect();
    assert!(grades(&waits, 0.0).iter().all(|grade| *grade == Grade::Calm));
}

#[test]
fn a_slow_disk_sheds_and_refuses_nobody() {
    assert_eq!(grades(&[0], 0.24), [Grade::Calm]);
    assert_eq!(grades(&[0], 1.0), [Grade::Shedding]);
    assert_eq!(grades(&[0, 4000, 4000], 1.0), [Grade::Shedding, Grade::Shedding, Grade::Holding]);
}

#[test]
fn connections_that_stand_in_line_refuse_others_and_hold_nobody() {
    let grade = |stands| Judge::default().see(Duration::ZERO, MS * stands, 0.0, Instant::now());
    let found = [0, 249, 250, 999, 1000, 99_999].map(grade);
    assert_eq!(found, [Grade::Calm, Grade::Calm, Grade::Shedding, Grade::Shedding, Grade::Refusing, Grade::Refusing]);
}

#[test]
fn a_door_stands_open_as_long_as_somebody_always_waits() {
    let load = Load::default();
    let (busy, idle) = (load.door(), load.door());
    idle.rests();
    std::thread::sleep(MS * 50);
    busy.let_in();
    assert!(load.stands() < MS * 50, "nobody waited before somebody came");
    std::thread::sleep(MS * 5);
    busy.let_in();
    assert!(load.stands() >= MS * 5);
    let closed = load.door();
    closed.let_in();
    drop(closed);
    busy.rests();
    assert_eq!(load.stands(), Duration::ZERO);
}

#[tokio::test]
async fn whoever_waits_for_ease_is_woken_by_it() {
    let load = Load::default();
    load.set(Grade::Holding, Duration::ZERO);
    assert!(load.is(Grade::Refusing) && load.entered(Grade::Holding) == 1);
    let waiting = load.eases_below(Grade::Holding);
    tokio::pin!(waiting);
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    load.set(Grade::Refusing, Duration::ZERO);
    waiting.await;
    load.eases_below(Grade::Holding).await;
}

#[tokio::test]
async fn a_runtime_that_is_kept_busy_is_noticed_and_calm_again_afterwards() {
    let (load, stop) = (std::sync::Arc::new(Load::default()), CancellationToken::new());
    let (watched, token) = (load.clone(), stop.clone());
    let watching = tokio::spawn(async move { watch(&watched, || 0.0, token).await });
    // The only thread is taken again and again for longer than any grade allows.
    while !load.is(Grade::Shedding) {
        std::thread::sleep(BEGINS[2].1 * 2);
        tokio::task::yield_now().await;
    }
    while load.is(Grade::Shedding) {
        tokio::time::sleep(TICK).await;
    }
    stop.cancel();
    watching.await.unwrap();
    assert!(Grade::ALL[1..].iter().any(|grade| load.entered(*grade) > 0) && load.grade() == Grade::Calm);
}
