import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
// As a whole: what is used of it here came with Node.js 24.5, and the commands do without where no project asks for it.
import tls from 'node:tls'
import { NoProjectError, ProjectError, projectFile, readProject } from '../deploy/project.ts'

/** The file of `ca_file` of the project in the working directory; undefined without one. @throws {ProjectError} */
export async function projectAuthorities(): Promise<string | undefined> {
  const project = await readProject(process.cwd()).catch((error: unknown) => {
    // `openclaw dev` makes none.
    if (error instanceof NoProjectError) return undefined
    throw error
  })
  return project?.ca_file === undefined ? undefined : resolve(project.ca_file)
}

/** From now on this process trusts the project's authorities beside those that it did already. @throws {ProjectError} */
export async function trustProjectAuthorities(): Promise<void> {
  const file = await projectAuthorities()
  if (file === undefined) return
  try {
    const text = await readFile(file, 'utf8')
    // Where there is no certificate in it, Node.js would trust no more than before, and not say so.
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('it holds no certificate')
    tls.setDefaultCACertificates([...tls.getCACertificates('default'), text])
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ProjectError(`${projectFile} ca_file: ${file} is no PEM file of authorities (${reason})`)
  }
}
