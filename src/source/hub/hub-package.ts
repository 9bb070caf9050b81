/** What is used of the library, named one by one: the bundler leaves out the rest, which is most of it. */
export { datasetInfo, listFiles, modelInfo, spaceInfo } from '@huggingface/hub';
