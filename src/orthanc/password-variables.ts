/** Variables of the environment that hold passwords. */
export const passwordVariables = {
  orthanc: 'GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD',
  client: 'GCP_DICOMWEB_PROXY_CLIENT_PASSWORD',
} as const
