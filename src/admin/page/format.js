// Formats numbers for people.

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/**
 * Decimal units, as network rates and Google's bills use.
 *
 * @param {number} bytes
 */
export function bytesText(bytes) {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : 1
  return `${value.toFixed(digits)} ${units[unit]}`
}

/** @param {number} count */
export function countText(count) {
  return count.toLocaleString('en')
}

/**
 * @param {number} milliseconds
 */
export function durationText(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return `${minutes} min ${seconds % 60} s`
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} days`
}

/**
 * The time of day, with the date if it isn't today.
 *
 * @param {number} at epoch milliseconds
 */
export function timeText(at) {
  const date = new Date(at)
  const time = date.toLocaleTimeString('en-GB')
  const isToday = date.toDateString() === new Date().toDateString()
  if (isToday) return time
  const year = date.getFullYear() === new Date().getFullYear() ? {} : /** @type {const} */ ({ year: 'numeric' })
  return `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', ...year })}, ${time}`
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function plural(count, one, many = `${one}s`) {
  return `${countText(count)} ${count === 1 ? one : many}`
}
