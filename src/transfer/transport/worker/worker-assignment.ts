/** Two workers that write to one file wait for the same lock of it: more than two only cost processor time. */
interface CarriedFile {
  home: number;
  /** Set when the file alone fills its worker. */
  second: number | undefined;
  /** Jobs under way, by worker. */
  readonly jobs: Map<number, number>;
}

/** I/O workers for so many processors: with fewer than three, hashing needs the other one. */
export function maxIoWorkers(processors: number): number {
  if (processors < 3) return 1;
  return Math.min(8, Math.max(2, Math.floor(processors / 2) - 1));
}

/**
 * Which worker takes a job. A file stays with one worker as long as that has time left; then it moves to another one, or
 * uses two if nothing else is on its worker. New files go to the least loaded. Workers are numbered from 0.
 */
export class WorkerAssignment {
  readonly max: number;
  /** Files with jobs under way, by name. */
  readonly #files = new Map<string, CarriedFile>();
  #count = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** Workers that were given out. */
  get count(): number {
    return this.#count;
  }

  /** The worker for one more job of a file. A number that was not given out before means a new worker. */
  begin(file: string, isFull: (worker: number) => boolean): number {
    const carried = this.#files.get(file) ?? this.#add(file, isFull);
    const worker = this.#choose(carried, isFull);
    carried.jobs.set(worker, (carried.jobs.get(worker) ?? 0) + 1);
    return worker;
  }

  /** A job of the file has ended. */
  end(file: string, worker: number): void {
    const carried = this.#files.get(file);
    if (carried === undefined) return;
    const left = (carried.jobs.get(worker) ?? 0) - 1;
    if (left > 0) carried.jobs.set(worker, left);
    else carried.jobs.delete(worker);
    if (carried.jobs.size === 0) this.#files.delete(file);
  }

  #add(file: string, isFull: (worker: number) => boolean): CarriedFile {
    const home = this.#withRoom((worker) => !isFull(worker)) ?? this.#leastLoaded(() => true) ?? 0;
    const carried: CarriedFile = { home, second: undefined, jobs: new Map() };
    this.#files.set(file, carried);
    return carried;
  }

  #choose(file: CarriedFile, isFull: (worker: number) => boolean): number {
    const { home, second, jobs } = file;
    if (second !== undefined) return jobsIn(file, second) < jobsIn(file, home) ? second : home;
    // What it left behind at its move is still ending on another worker.
    const isMoving = [...jobs.keys()].some((worker) => worker !== home);
    if (jobs.size === 0 || isMoving || !isFull(home)) return home;
    const isAlone = this.#load(home) === allJobs(file);
    const isBetter = (to: number) => isAlone || this.#load(to) + allJobs(file) < this.#load(home);
    const target = this.#withRoom((worker) => worker !== home && !isFull(worker) && isBetter(worker));
    if (target === undefined) return home;
    if (isAlone) file.second = target;
    else file.home = target;
    return target;
  }

  /** The least loaded of these workers, or else a new one; undefined if there can be none. */
  #withRoom(suits: (worker: number) => boolean): number | undefined {
    const found = this.#leastLoaded(suits);
    if (found !== undefined || this.#count >= this.max) return found;
    this.#count += 1;
    return this.#count - 1;
  }

  #leastLoaded(suits: (worker: number) => boolean): number | undefined {
    const [first, ...others] = Array.from({ length: this.#count }, (_, worker) => worker).filter(suits);
    return others.reduce(
      (least, worker) => (this.#load(worker) < this.#load(least!) ? worker : least),
      first,
    );
  }

  /** Jobs of the files that belong to a worker, also of those that are still ending on another one. */
  #load(worker: number): number {
    let jobs = 0;
    for (const file of this.#files.values()) {
      if (file.second !== undefined) jobs += jobsIn(file, worker);
      else if (file.home === worker) jobs += allJobs(file);
    }
    return jobs;
  }
}

function jobsIn({ jobs }: CarriedFile, worker: number): number {
  return jobs.get(worker) ?? 0;
}

function allJobs({ jobs }: CarriedFile): number {
  return [...jobs.values()].reduce((sum, count) => sum + count, 0);
}
