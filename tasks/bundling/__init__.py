"""From a source to a checked Lambda package: `bundle.build_package` is the step, the rest are its parts.

sources → (wheels | cargo | the zip as it is) → zipping → contract and package_check. Nothing here talks to AWS; a
package that leaves this folder is either sound, or was rejected with every problem named at once.
"""
