/** One instruction: `FROM` begins a stage, and `rest` is what stands behind the word. */
export interface DockerfileStep {
  readonly stage: number;
  readonly word: string;
  readonly rest: string;
}

export function readDockerfile(text: string): DockerfileStep[];
