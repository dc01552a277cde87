/** Of a thumbnail whose size the client leaves to the server. */
const defaultViewport = 'viewport=128,128'

interface PathAndQuery {
  /** Below `/dicomWeb`. */
  readonly path: string
  /** With its question mark, or empty. */
  readonly query: string
}

/**
 * What is asked of Google. It has no thumbnails (https://docs.cloud.google.com/healthcare-api/docs/dicom):
 * they are rendered images (PS3.18 10.4.1.1.4), small ones unless the client names a size.
 */
export function withoutThumbnail(route: string, { path, query }: PathAndQuery): PathAndQuery {
  if (!route.endsWith('/thumbnail')) return { path, query }
  const rendered = path.replace(/thumbnail$/, 'rendered')
  if (/[?&]viewport=/.test(query)) return { path: rendered, query }
  return { path: rendered, query: query === '' ? `?${defaultViewport}` : `${query}&${defaultViewport}` }
}
