// A worker for one kind of job: a newer job takes the place of an older one, which is ended with its worker.
export class Job {
  constructor() {
    this.worker = null;
    this.busy = false;
    this.count = 0;
  }

  // Sends `spec`; `take` gets what comes of it, piece by piece, and `done` is called at its end.
  run(spec, take, done = () => {}) {
    this.end();
    this.worker ??= new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.busy = true;
    this.count += 1;
    const id = this.count;
    this.worker.onmessage = ({ data }) => {
      if (data.id !== id) return;
      if (!data.done) return take(data);
      this.busy = false;
      return done();
    };
    this.worker.postMessage({ ...spec, id });
  }

  end() {
    if (!this.busy) return;
    this.worker.terminate();
    this.worker = null;
    this.busy = false;
  }
}
