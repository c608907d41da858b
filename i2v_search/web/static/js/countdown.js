// A clock that counts seconds down and can be stopped.

const OFTEN = 200; // milliseconds between two looks

/** `tick` is told the seconds left, and those that went by since it was told last; `ended` is called when none is left. */
export function countdown(tick, ended) {
  let left = 0, seen = 0, timer = null;
  function look() {
    const now = performance.now(), gone = Math.min(left, (now - seen) / 1000);
    seen = now;
    left -= gone;
    tick(left, gone);
  }
  function stop() {
    if (timer === null) return;
    clearInterval(timer);
    timer = null;
    look();
  }
  return {
    set(seconds) {
      stop();
      left = seconds;
      tick(left, 0);
    },
    run() {
      if (timer !== null || left <= 0) return;
      seen = performance.now();
      timer = setInterval(() => {
        look();
        if (left > 0) return;
        stop();
        ended();
      }, OFTEN);
    },
    stop,
  };
}
