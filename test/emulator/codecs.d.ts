/** What tests use of packages that have no types. */
interface Codec {
  getDecodedBuffer(info: object): Uint8Array
  encode(): void
  getEncodedBuffer(): Uint8Array
}

declare module '@cornerstonejs/codec-charls' {
  const load: () => Promise<{ JpegLSEncoder: new () => Codec & { setNearLossless(difference: number): void } }>
  export default load
}

declare module '@cornerstonejs/codec-openjpeg' {
  const load: () => Promise<{
    J2KEncoder: new () => Codec & { setQuality(isReversible: boolean, layer: number): void }
  }>
  export default load
}
