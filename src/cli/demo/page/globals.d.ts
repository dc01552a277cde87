// What the page uses of the viewer's packages, which are scripts that set globals.

interface CornerstoneImage {
  readonly imageId: string
  readonly color: boolean
  readonly columns: number
  readonly rows: number
  readonly windowCenter: number
  readonly windowWidth: number
  readonly sizeInBytes: number
  readonly loadTimeInMS: number
  getPixelData(): ArrayLike<number>
}

interface CornerstoneViewport {
  voi: { windowCenter: number; windowWidth: number }
}

declare const cornerstone: {
  enable(element: HTMLElement): void
  resize(element: HTMLElement, fitToWindow: boolean): void
  loadAndCacheImage(imageId: string): Promise<CornerstoneImage>
  displayImage(element: HTMLElement, image: CornerstoneImage, viewport: CornerstoneViewport): void
  getDefaultViewportForImage(element: HTMLElement, image: CornerstoneImage): CornerstoneViewport
  getViewport(element: HTMLElement): CornerstoneViewport
  setViewport(element: HTMLElement, viewport: CornerstoneViewport): void
}

declare const dicomParser: object

declare const cornerstoneWADOImageLoader: {
  readonly external: { cornerstone: object; dicomParser: object }
  readonly webWorkerManager: { initialize(options: object): void }
  readonly wadors: { readonly metaDataManager: { add(imageId: string, metadata: object): void } }
  configure(options: object): void
}
